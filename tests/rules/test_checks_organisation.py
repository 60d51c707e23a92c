"""What do the checks say of people, of the runbook's items, and of what nobody looks at?"""

from dataclasses import replace

from rules.vocabulary import Curve, Dashboard, Item, Panel, Picture, Row, Signal, Unit
from tests.rules.small import METRICS, ON_CALL, ORGANISATION, QUEUE, alert, area, problems, signal

ONE = signal("max(queue_length)")
WATCHED = signal("sum(queue_length)", name="shop:queue:sum")


def test_a_contact_has_an_address() -> None:
    assert problems(area(), contacts=(replace(ON_CALL, address=" "),)) == [
        "organisation: contact On-call has no address; give the one for PagerDuty"
    ]


def test_a_policy_tells_somebody_who_is_known() -> None:
    silent = replace(ORGANISATION.policies[0], notifies=())
    elsewhere = replace(ORGANISATION.policies[1], escalates_to=(replace(ON_CALL, name="Nobody"),))
    assert problems(area(), policies=(silent, elsewhere)) == [
        "organisation: policy P1 notifies nobody; name at least one contact",
        "organisation: policy P2 names Nobody, who is not among the contacts; add the contact there",
    ]


def test_every_item_is_served_or_left_to_people() -> None:
    items = (
        Item("A-1", "A", "The queue is short"),
        Item("A-2", "A", "Somebody tidies up"),
        Item("A-3", "A", "Somebody sweeps", left_to_people="no sensor for dust"),
        Item("A-4", "A", "The queue is long", left_to_people="it cannot be measured"),
    )
    serving = replace(QUEUE, serves=("A-1", "A-4", "A-9"))
    metrics = tuple(serving if metric is QUEUE else metric for metric in METRICS)
    assert problems(area(metrics=metrics), items=items) == [
        "rules.shop: metric queue_length serves A-9, which is no item of the runbook; correct the id, or add the item",
        "rules.payments.runbook.items: item A-2 is served by no definition; name it in a serves=, "
        "or say why it is left to people",
        "rules.payments.runbook.items: item A-4 is left to people, and served by rules.shop: metric queue_length; "
        "remove the reason, or the id from serves=",
    ]


def dashboard(*shown: Signal | str, **more: object) -> Dashboard:
    panel = Panel(
        id=1,
        title="Queue",
        description="How long it is.",
        width=24,
        picture=Picture.STAT,
        nothing="not known",
        unit=Unit.COUNT,
        curves=tuple(Curve(one, "queue") for one in shown),
        **more,  # type: ignore[arg-type]
    )
    return Dashboard(uid="shop", title="Shop", description="The shop", rows=(Row(title="Row", panels=(panel,)),))


def test_a_signal_is_watched_read_or_drawn_once_there_are_dashboards() -> None:
    areas = (area(ONE, WATCHED, alerts=(alert(WATCHED),)),)
    assert problems(*areas) == []
    assert problems(*areas, dashboards=(dashboard(WATCHED),)) == [
        "rules.shop: signal shop:test:signal is recorded and read by nobody; watch it, draw it, or remove it"
    ]
    assert problems(*areas, dashboards=(dashboard(ONE),)) == []
    assert problems(*areas, dashboards=(dashboard(f"max({ONE})"),)) == []


def test_what_a_panel_shows_is_defined() -> None:
    place, cure = "dashboard shop: panel 'Queue'", "define it at the top level of an area's module"
    assert problems(area(metrics=()), dashboards=(dashboard(ONE, "rate(x_total[$__rate_interval])"),)) == [
        f"{place} shows shop:test:signal, which nobody exports or records; {cure}",
        f"{place} shows x_total, which nobody exports or records; {cure}",
    ]
    assert problems(area(), dashboards=(dashboard("max(queue_length)", alerts=(alert(WATCHED),)),)) == [
        f"{place} shows alert TooMuch, which no area defines; {cure}"
    ]
    assert problems(area(), dashboards=(dashboard("max("),)) == [
        f"{place} has a curve that cannot be read: unclosed left parenthesis; correct the expression"
    ]


def test_a_panel_may_show_which_alerts_prometheus_has() -> None:
    assert problems(area(), dashboards=(dashboard('count(ALERTS{alertstate="firing"})'),)) == []
