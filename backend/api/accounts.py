"""/v1/accounts and /v1/deposits."""

from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi.params import Depends
from pydantic import Field

from backend.api import schemas, shapes
from backend.api.debts import DEBT
from backend.api.description import ADDRESS, answers, body_of
from backend.api.problems import JsonResponse
from backend.api.requests import (
    DEFAULT_PAGE,
    U24_MAX,
    AccountNumber,
    AddressQuery,
    AddressText,
    After,
    Body,
    Flag,
    Limit,
    OnceOnly,
    Strict,
    model_of,
)
from backend.application.accounts import MAX_DEPOSIT_MICRO, MAX_MEMBERS, Deposit, Member
from backend.application.filters import AccountFilter, Page
from backend.application.idempotency import Once
from backend.application.services import Services
from domain.text import parse_address

Role = Literal["governor", "operator", "settler", "auditor", "issuer"]
Amount = Annotated[int, Field(ge=1, le=MAX_DEPOSIT_MICRO)]
_ACCOUNT = {
    "account": 12,
    "owner": ADDRESS,
    "driver_key": ADDRESS,
    "roles": [],
    "closed": False,
    "free_micro": 20_000_000,
    "spendable_micro": 15_000_000,
    "locked_micro": 0,
    "owed_micro": 511_500,
    "daily_cap_micro": 15_000_000,
    "deposited_micro": 25_000_000,
}
_DEPOSITS = {"deposits": [{"account": 12, "amount_micro": 25_000_000}]}


class MemberBody(Strict):
    """Whom to open an account for."""

    owner: AddressText
    driver_key: AddressText | None = None


class MembersBody(Strict):
    """Whom to open accounts for."""

    members: Annotated[list[MemberBody], Field(min_length=1, max_length=MAX_MEMBERS)]


class AmountBody(Strict):
    """Money, micro-euro."""

    amount_micro: Amount


class DepositBody(Strict):
    """Money for one account."""

    account: Annotated[int, Field(ge=0, le=U24_MAX)]
    amount_micro: Amount


class DepositsBody(Strict):
    """Money for several accounts."""

    deposits: Annotated[list[DepositBody], Field(min_length=1, max_length=MAX_MEMBERS)]


def router(services: Services, operator: Depends) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["accounts"], default_response_class=JsonResponse)
    _add_views(routes, services)
    _add_opening(routes, services, operator)
    _add_deposits(routes, services, operator)
    return routes


def _add_views(routes: APIRouter, services: Services) -> None:
    @routes.get(
        "/accounts",
        responses=answers(200, {"items": [_ACCOUNT], "next": 12}, schema=schemas.listing(schemas.ACCOUNT)),
    )
    def list_accounts(
        role: Role | None = None,
        closed: Flag = None,
        owner: AddressQuery = None,
        limit: Limit = DEFAULT_PAGE,
        after: After = 0,
    ) -> JsonResponse:
        """Members by number, with what they may spend now."""
        wanted = AccountFilter(role=shapes.ROLE_BITS[role] if role else None, closed=closed, owner=owner)
        views = services.accounts.page(Page(after, limit), wanted)
        return JsonResponse(shapes.page(views, limit, shapes.account, lambda view: view.record.account))

    @routes.get(
        "/accounts/{account}", responses=answers(200, _ACCOUNT | {"debts": [DEBT]}, schema=schemas.ACCOUNT_WITH_DEBTS)
    )
    def get_account(account: AccountNumber) -> JsonResponse:
        """One member, with its oldest open debts."""
        return JsonResponse(shapes.account_with_debts(services.accounts.get(account)))


def _add_opening(routes: APIRouter, services: Services, operator: Depends) -> None:
    @routes.post(
        "/accounts",
        status_code=201,
        dependencies=[operator],
        responses=answers(201, {"accounts": [12]}, schema=schemas.record(accounts=schemas.array(schemas.U24))),
        openapi_extra=body_of(MembersBody, {"members": [{"owner": ADDRESS, "driver_key": ADDRESS}]}),
    )
    def open_accounts(body: Body, once: OnceOnly) -> JsonResponse:
        """Opens accounts on chain; members bring their own addresses and keep their keys."""
        members = [
            Member(parse_address(one.owner), parse_address(one.driver_key) if one.driver_key else None)
            for one in model_of(MembersBody, body).members
        ]
        return JsonResponse({"accounts": services.accounts.open(members, once)}, status_code=201)


def _add_deposits(routes: APIRouter, services: Services, operator: Depends) -> None:
    @routes.post(
        "/accounts/{account}/deposits",
        status_code=201,
        dependencies=[operator],
        responses=answers(201, _DEPOSITS, schema=schemas.DEPOSITS),
        openapi_extra=body_of(AmountBody, {"amount_micro": 25_000_000}),
    )
    def deposit(account: AccountNumber, body: Body, once: OnceOnly) -> JsonResponse:
        """Mints and deposits money for a member."""
        return _paid_in(services, [Deposit(account, model_of(AmountBody, body).amount_micro)], once)

    @routes.post(
        "/deposits",
        status_code=201,
        dependencies=[operator],
        responses=answers(201, _DEPOSITS, schema=schemas.DEPOSITS),
        openapi_extra=body_of(DepositsBody, _DEPOSITS),
    )
    def deposit_many(body: Body, once: OnceOnly) -> JsonResponse:
        """Mints once, and deposits money for several members."""
        deposits = model_of(DepositsBody, body).deposits
        return _paid_in(services, [Deposit(one.account, one.amount_micro) for one in deposits], once)


def _paid_in(services: Services, deposits: list[Deposit], once: Once | None) -> JsonResponse:
    services.accounts.pay_in(deposits, once)
    shown = [{"account": one.account, "amount_micro": one.amount_micro} for one in deposits]
    return JsonResponse({"deposits": shown}, status_code=201)
