"""The audit: every signature, statement, amount and balance re-derived from chain and blobs alone."""

from domain.audit.auditor import Auditor, BlobSource, TransactionSource
from domain.audit.claims import Claims, compare_claims
from domain.audit.findings import Finding, FindingCode, Tally

__all__ = [
    "Auditor",
    "BlobSource",
    "Claims",
    "Finding",
    "FindingCode",
    "Tally",
    "TransactionSource",
    "compare_claims",
]
