"""The audit: every signature, statement, amount and balance re-derived from chain and blobs alone."""

from domain.audit.auditor import Auditor
from domain.audit.book_claims import BookClaim, compare_books
from domain.audit.claims import Claims, compare_claims
from domain.audit.findings import Finding, FindingCode, Findings, Tally
from domain.audit.proofs import Proofs, Prover
from domain.audit.report import BlobSource, Deployed, TransactionSource

__all__ = [
    "Auditor",
    "BlobSource",
    "BookClaim",
    "Claims",
    "Deployed",
    "Finding",
    "FindingCode",
    "Findings",
    "Proofs",
    "Prover",
    "Tally",
    "TransactionSource",
    "compare_books",
    "compare_claims",
]
