"""Scopes, role definitions and assignments: what the `[entra]` table allows, and its mistakes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from localhub import Config, ConfigError, LocalHub
from localhub.entra.roles import BUILT_IN, PROVIDER, RoleBook, RoleDefinition, matches
from localhub.entra.scopes import contains, parse_scope, scopes_above
from localhub.rest.table import OPERATIONS

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/charging"
RESOURCE = f"{GROUP}/providers/Microsoft.SignalRService/WebPubSub/contoso"
MANAGEMENT = "/providers/Microsoft.Management/managementGroups"
WHO = "aaaaaaaa-0000-0000-0000-000000000001"
SEND = "hub/send/action"
READ = "group/read"
ACTIONS = sorted({one.data_action for one in OPERATIONS if one.data_action})


def entra(*assignments: dict[str, Any], **others: Any) -> Any:
    """The settings of a service at RESOURCE, below the management groups `ev` and `root`."""
    table = {
        "resource_id": RESOURCE,
        "management_groups": ["ev", "root"],
        "role_assignments": [{"assignee": WHO, **one} for one in assignments],
        **others,
    }
    return Config.load({"entra": table}).entra


def allowed(*assignments: dict[str, Any], who: str = WHO, **others: Any) -> list[str]:
    """The data actions that operations ask for, and somebody has."""
    grants = entra(*assignments, **others).grants()
    return [action for action in ACTIONS if grants.may(who, action)]


# -- scopes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scope",
    [
        None,
        RESOURCE,
        RESOURCE.upper(),
        RESOURCE + "/",
        GROUP,
        SUBSCRIPTION,
        f"{MANAGEMENT}/ev",
        f"{MANAGEMENT}/ROOT",
        "/",
    ],
)
def test_assignments_are_inherited_downwards(scope):
    assignment = {"role": "Web PubSub Service Owner"}
    if scope is not None:
        assignment["scope"] = scope
    assert allowed(assignment) == ACTIONS


@pytest.mark.parametrize(
    "scope",
    [
        RESOURCE + "2",
        RESOURCE[:-1],
        f"{GROUP}2",
        f"{GROUP}/providers/Microsoft.SignalRService/SignalR/contoso",
        SUBSCRIPTION.replace("1111", "9999", 1),
        f"{MANAGEMENT}/other",
    ],
)
def test_assignments_elsewhere_do_not_count(scope):
    assert allowed({"role": "Web PubSub Service Owner", "scope": scope}) == []


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "contoso",
        "//",
        "/subscriptions",
        "/subscriptions//resourceGroups/x",
        f"{GROUP}/providers/Microsoft.SignalRService",
        f"{RESOURCE}/hubs/chargers",
        "https://contoso.webpubsub.azure.com",
    ],
)
def test_scopes_that_are_none(scope):
    """Among them a hub: a role cannot be assigned for one."""
    with pytest.raises(ValueError, match="a scope is /subscriptions/ID"):
        parse_scope(scope)
    with pytest.raises(ConfigError, match=r"role_assignments\[0\]\.scope: a scope is"):
        entra({"role": "Owner", "scope": scope})


def test_what_is_above_a_resource():
    above = scopes_above(RESOURCE, ["ev"])
    expected = ["/", f"{MANAGEMENT}/ev", SUBSCRIPTION, GROUP, RESOURCE]
    assert above == {parse_scope(one) for one in expected}
    assert contains(parse_scope(GROUP), parse_scope(RESOURCE))
    assert not contains(parse_scope(GROUP), parse_scope(GROUP + "2"))


# -- roles ----------------------------------------------------------------------------------


def test_the_published_roles():
    ids = {role.name: role.id for role in BUILT_IN}
    assert ids["Web PubSub Service Owner"] == "12cf5a90-567b-43ae-8102-96cf46c7d9b4"
    assert ids["Web PubSub Service Reader"] == "bfb1c7d2-fb1a-466b-b2ba-aee63b92deaf"
    assert ids["SignalR/Web PubSub Contributor"] == "8cf5e20a-e4b2-4e9d-b3a1-5ceb692c2761"


@pytest.mark.parametrize(
    "role",
    [
        "Web PubSub Service Reader",
        "web pubsub service READER",
        "bfb1c7d2-fb1a-466b-b2ba-aee63b92deaf",
        f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/"
        "BFB1C7D2-fb1a-466b-b2ba-aee63b92deaf",
    ],
)
def test_a_reader_may_look_and_nothing_else(role):
    looking = {one.data_action for one in OPERATIONS if one.method in ("GET", "HEAD")} - {None}
    assert set(allowed({"role": role})) == looking


@pytest.mark.parametrize("role", ["Owner", "Contributor", "SignalR/Web PubSub Contributor"])
def test_roles_of_the_control_plane_have_no_data_actions(role):
    assert allowed({"role": role}) == []


def test_nobody_else_has_the_role():
    assert allowed({"role": "Web PubSub Service Owner"}, who=WHO[:-1] + "2") == []
    assert allowed({"role": "Web PubSub Service Owner"}, who=WHO.upper()) == ACTIONS
    assert allowed() == []


@pytest.mark.parametrize(
    ("pattern", "action", "fits"),
    [
        ("*", "a/b/c", True),
        (f"{PROVIDER}/*", f"{PROVIDER}/group/send/action", True),
        (f"{PROVIDER}/*/read", f"{PROVIDER}/group/read", True),
        (f"{PROVIDER}/*/read", f"{PROVIDER}/a/b/read", True),
        (f"{PROVIDER}/*/read", f"{PROVIDER}/read", False),
        (f"{PROVIDER}/*/read", f"{PROVIDER}/group/read/action", False),
        (f"{PROVIDER}/group/*/action", f"{PROVIDER}/group/send/action", True),
        (f"{PROVIDER}/GROUP/Send/action", f"{PROVIDER}/group/send/action", True),
        (f"{PROVIDER}/group/send", f"{PROVIDER}/group/send/action", False),
        ("Microsoft.SignalRService/SignalR/*", f"{PROVIDER}/group/read", False),
        ("Microsoft-SignalRService/*", f"{PROVIDER}/group/read", False),
        ("", f"{PROVIDER}/group/read", False),
    ],
)
def test_patterns(pattern, action, fits):
    assert matches(pattern, action) is fits


def test_many_wildcards_cost_no_time():
    assert not matches("*a" * 12 + "b", "a" * 60)
    assert not matches("*" * 5000 + "x", "a" * 200)


def role(name: str = "Publisher", *, actions=(), without=(), **others: Any) -> dict[str, Any]:
    return {
        "name": name,
        "data_actions": [f"{PROVIDER}/{one}" for one in actions],
        "not_data_actions": [f"{PROVIDER}/{one}" for one in without],
        **others,
    }


def test_a_custom_role():
    publisher = role(actions=["group/send/action"])
    assert allowed({"role": "publisher"}, role_definitions=[publisher]) == ["group/send/action"]


def test_what_a_role_leaves_out():
    quiet = role("Quiet", actions=["*"], without=["*/send/action", "clientConnection/*"])
    found = allowed({"role": "Quiet"}, role_definitions=[quiet])
    assert found == ["group/read", "group/write", "user/read"]


def test_assignments_add_up():
    """What one role leaves out another one may give: it is no denial."""
    quiet = role("Quiet", actions=["*"], without=["*/send/action"])
    loud = role("Loud", actions=["hub/send/action"])
    found = allowed(
        {"role": "Quiet"}, {"role": "Loud", "scope": GROUP}, role_definitions=[quiet, loud]
    )
    assert "hub/send/action" in found
    assert "group/send/action" not in found


@pytest.mark.parametrize(
    ("assignable", "scope", "right"),
    [
        ([GROUP], None, True),
        ([GROUP], GROUP, True),
        ([SUBSCRIPTION], GROUP, True),
        ([f"{MANAGEMENT}/root"], RESOURCE, True),
        ([f"{MANAGEMENT}/root"], f"{MANAGEMENT}/ev", True),
        ([f"{MANAGEMENT}/other"], RESOURCE, False),
        ([GROUP], SUBSCRIPTION, False),
        ([GROUP], "/", False),
        ([f"{GROUP}2", GROUP], RESOURCE, True),
        ([f"{GROUP}2"], RESOURCE, False),
    ],
)
def test_where_a_custom_role_may_be_assigned(assignable, scope, right):
    definition = role(actions=["*"], assignable_scopes=assignable)
    assignment = {"role": "Publisher"} | ({"scope": scope} if scope else {})
    if right:
        assert entra(assignment, role_definitions=[definition]) is not None
    else:
        with pytest.raises(ConfigError, match="role 'Publisher' cannot be assigned at /"):
            entra(assignment, role_definitions=[definition])


def test_a_role_book_finds_custom_roles_by_id():
    custom = RoleDefinition("aaaaaaaa-0000-0000-0000-000000000009", "Mine")
    assert RoleBook([custom]).find("AAAAAAAA-0000-0000-0000-000000000009") is custom


# -- principals, and mistakes ---------------------------------------------------------------


def test_ids_stay_the_same():
    principals = [{"name": "Publisher"}, {"name": "reader"}]
    first, second = (entra(principals=principals).identities for _ in range(2))
    assert first == second
    assert len({one.client_id for one in first} | {one.object_id for one in first}) == 4
    other = entra(principals=principals, tenant_id=WHO).identities
    assert other[0].object_id != first[0].object_id


@pytest.mark.parametrize("by", ["name", "client_id", "object_id"])
def test_an_assignee_by_name_or_id(by):
    principals = [{"name": "Publisher"}]
    identity = entra(principals=principals).identities[0]
    settings = entra(
        {"assignee": getattr(identity, by).upper(), "role": "Web PubSub Service Owner"},
        principals=principals,
    )
    assert settings.grants().may(identity.object_id, SEND)


BAD = [
    ({"metadata": "x"}, "entra.metadata: unknown key: did you mean 'metadata_url'?"),
    (
        {"principals": [{"name": "x", "object": WHO}]},
        "principals[0].object: unknown key: did you mean",
    ),
    ({"role_assignments": [{"assignee": WHO}]}, "role_assignments[0].role: missing"),
    ({"tenant_id": "contoso"}, "entra.tenant_id: an id is a GUID"),
    ({"resource_id": GROUP}, "entra.resource_id: write it as /subscriptions/"),
    ({"management_groups": ["a/b"]}, "entra.management_groups[0]: a scope is"),
    ({"principals": [{"name": "a"}, {"name": "A"}]}, "principal 'a' is there twice"),
    ({"principals": [{"name": "../a"}]}, "entra.principals[0].name"),
    ({"principals": [{"name": "a", "client_secret": "short"}]}, "at least 16 characters"),
    (
        {"principals": [{"name": "a", "client_secret": "s" * 16, "managed_identity": True}]},
        "a managed identity has no client_secret",
    ),
    (
        {"principals": [{"name": "a", "client_id": WHO}, {"name": "b", "client_id": WHO}]},
        "client_id 'aaaaaaaa-",
    ),
    ({"role_assignments": [{"assignee": "b", "role": "Owner"}]}, "no principal 'b': there are no"),
    (
        {"role_assignments": [{"assignee": WHO, "role": "Web PubSub Owner"}]},
        "no role 'Web PubSub Owner': there are Contributor, Owner, SignalR/Web PubSub Contr",
    ),
    ({"role_definitions": [role("x"), role("X")]}, "role 'x' is there twice"),
    ({"metadata_url": "http://h/.well-known/openid-configuration"}, "write it as https://login."),
    (
        {"metadata_url": "https://login.microsoftonline.com/common/v2.0/.well-known/openid"},
        "must name one tenant",
    ),
    (
        {"metadata_url": "https://h/t/v2.0/.well-known/x", "principals": [{"name": "a"}]},
        "principals are those of the local issuer",
    ),
]


@pytest.mark.parametrize(("table", "said"), BAD)
def test_mistakes_are_one_line_with_the_remedy(table, said):
    with pytest.raises(ConfigError) as error:
        Config.load({"entra": table})
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert "short" not in str(error.value)


def test_the_local_issuer_needs_tls():
    with pytest.raises(ConfigError, match=r"TLS only: add a table \[service.tls\]"):
        LocalHub({"entra": {}})
    with pytest.raises(ConfigError, match="add a table \\[entra\\]"):
        LocalHub().entra_environment("publisher")


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"client_secrets": []}', '{"client_secrets": {"a": 1}}', '{"signing_key": 7}'],
)
def test_a_damaged_state_of_the_issuer(tmp_path, content):
    (tmp_path / "entra.json").write_text(content)
    service = {"tls": {}, "state_file": str(tmp_path / "hub.json")}
    with pytest.raises(ConfigError, match=r"entra\.json: damaged state of the Entra issuer"):
        LocalHub({"service": service, "entra": {}})


def test_a_signing_key_that_is_none(tmp_path):
    from localhub.entra.store import EntraStore

    path = tmp_path / "entra.json"
    path.write_text(json.dumps({"signing_key": "-----BEGIN secret-----"}))
    with pytest.raises(ConfigError, match="delete it to get a new one") as error:
        _ = EntraStore(path).signing_key
    assert "BEGIN" not in str(error.value)
