"""Which parts of Stripe's objects are read, apart from events, and are they as they should be?

Foreign JSON: each model names the few fields that are used, and ignores the rest.
"""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from exporters.sampling.model import ErrorClass, SampleError

__all__ = ["Account", "Balance", "Created", "Dispute", "Endpoint", "Listed", "Versioned", "understood"]


class _Answer(BaseModel):
    """What all of them have in common."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, hide_input_in_errors=True, defer_build=True)


class _Requirements(_Answer):
    currently_due: list[str] | None = None
    past_due: list[str] | None = None


class Account(_Answer):
    """The account itself (Stripe API reference, "Accounts")."""

    id: str
    charges_enabled: bool | None = None
    payouts_enabled: bool | None = None
    details_submitted: bool | None = None
    requirements: _Requirements | None = None


class _Money(_Answer):
    amount: int
    currency: str


class Balance(_Answer):
    """Money at Stripe, in each currency's smallest unit."""

    available: list[_Money]
    pending: list[_Money]


class Endpoint(_Answer):
    """A webhook endpoint."""

    url: str
    status: str
    enabled_events: list[str]
    application: str | None = None
    """Set where it is a Connect endpoint: it receives connected accounts' events, not the account's own."""
    api_version: str | None = None


class _Evidence(_Answer):
    due_by: int | None = None


class Dispute(_Answer):
    """A dispute or an inquiry."""

    id: str
    status: str
    created: int
    evidence_details: _Evidence | None = None


class Created(_Answer):
    """Any object that has an id: which, and when it was created."""

    id: str
    created: int


class Versioned(_Answer):
    """An event, as far as it says in which API version it is written: the account's at that time."""

    api_version: str | None = None


class Listed(_Answer):
    """A page of any list."""

    data: list[Created]
    has_more: bool


Model = TypeVar("Model", bound=BaseModel)


def understood(model: type[Model], data: Any, where: str) -> Model:
    """The object, checked. Raises SampleError with the places that are not as they should be, never their content."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        places = sorted(
            {".".join(str(key) for key in fault["loc"] if isinstance(key, str)) for fault in error.errors()}
        )
        raise SampleError(
            ErrorClass.BAD_ANSWER,
            f"Stripe, {where}",
            f"the answer is not as documented at {', '.join(place or 'its top' for place in places[:5])}",
            "see whether a proxy answers for Stripe, or report it",
        ) from None
