"""Every row of docs/identity.md, and what hostile text must not do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import identity
from features.identity import NAME_LIMIT, IdentityResolver, host, ip

ALICE = "S-1-5-21-1004336348-1177238915-682003330-1104"
PIECES = [
    "\\", "/", "@", "$", "#EXT#", "_", ".", "arn:aws:iam::1:user/", "arn:aws:sts::1:assumed-role/",
    "role/", "CN=", ",", "|", "<", ">", "%{", "}", "(uid=0)", "S-1-5-18", ALICE, "root", "123456789012",
    "@gmail.com", "[", "]", "urn:spo:guest#", "host/", "alice", "'", '"', ":", "1.2.3.4", "::", "\0",
    "\u202e", "\u0301", "İ", "ﷺ", " ",
]  # fmt: skip
HOSTILE = st.one_of(
    st.text(max_size=60),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=12).map("".join),
    st.sampled_from(PIECES).map(lambda piece: piece * 5000),
)


@pytest.mark.parametrize(
    ("name", "entity"),
    [
        ("alice", "alice"),
        ("CORP\\alice", "alice"),
        ("CORP\\\\Alice", "alice"),
        ("corp.example\\alice", "alice"),
        ("alice@corp.example", "alice"),
        ("Alice.Smith@CORP.EXAMPLE", "alice.smith"),
        ("CORP.EXAMPLE/alice", "alice"),
        ("corp.example/Users/Staff/alice", "alice"),
        ("MicrosoftAccount\\alice@outlook.com", "alice@outlook.com"),
        ("alice@gmail.com", "alice@gmail.com"),
        ("Alice Smith <alice@corp.example>", "alice"),
        ("i:0#.f|membership|alice@corp.example", "alice"),
        ("mailto:alice@corp.example", "alice"),
        ("deploy@shop-prod.iam.gserviceaccount.com", "deploy@shop-prod.iam.gserviceaccount.com"),
        ("alice/admin@CORP.EXAMPLE", "alice/admin"),
        ("root(uid=0)", "root"),
        ('"alice"', "alice"),
        ("bob_partner.com#EXT#@corp.onmicrosoft.com", "bob@partner.com"),
        ("b_o_b_partner.com#ext#@corp.onmicrosoft.com", "b_o_b@partner.com"),
        ("urn:spo:guest#bob@partner.com", "bob@partner.com"),
        ("urn:spo:anon#0a1b2c", ""),
        ("root@123456789012", "root@123456789012"),
        ("CN=Smith\\, Alice,OU=Staff,DC=corp,DC=example", "smith alice"),
        ("100234", "100234"),
    ],
)
def test_a_user_has_one_name_however_it_is_written(name: str, entity: str) -> None:
    assert IdentityResolver().user(name) == entity


@pytest.mark.parametrize(
    "name", ["WS-12$", "CORP\\WS-12$", "ws-12$@CORP.EXAMPLE", "host/ws-12.corp.example@CORP.EXAMPLE"]
)
def test_a_computer_account_keeps_its_dollar(name: str) -> None:
    assert IdentityResolver().user(name, host="ws-12") == "ws-12$"


@pytest.mark.parametrize(
    "name", ["root", "administrator", "svc-backup", "www-data", "krbtgt", "Guest", "nobody"]
)
def test_service_and_administrative_accounts_are_entities(name: str) -> None:
    assert IdentityResolver().user(name) == name.lower()


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "-", "--", "N/A", "(null)", "unknown", "none", "$", "?", "%%1843", "4294967295",
        "ANONYMOUS LOGON",
        "SYSTEM", "LOCAL SERVICE", "NETWORK SERVICE", "NT AUTHORITY\\SYSTEM", "NT-AUTORITÄT\\SYSTEM",
        "AUTORITE NT\\Système", "Window Manager\\DWM-1", "DWM-12", "UMFD-0", "Font Driver Host\\UMFD-0",
        "IUSR",
        "NT SERVICE\\MSSQLSERVER", "NT VIRTUAL MACHINE\\8F3A2C11-0000-4000-8000-000000000001",
        "IIS APPPOOL\\DefaultAppPool", "CORP\\-", "app@sharepoint", "HIDDEN_DUE_TO_SECURITY_REASONS", "\0",
        "\u200b",
    ],
)  # fmt: skip
def test_placeholders_and_parts_of_the_system_are_nobody(name: str) -> None:
    assert IdentityResolver().user(name) == ""


def test_a_system_domain_in_its_own_field_makes_nobody() -> None:
    assert IdentityResolver().user("DWM-3", domain="Window Manager") == ""
    assert IdentityResolver().user("DefaultAppPool", domain="IIS APPPOOL") == ""


@pytest.mark.parametrize(
    ("name", "domain", "machine"),
    [
        ("Administrator", "WS-12", "WS-12"),
        ("Administrator", "ws-12", "ws-12.corp.example"),
        ("administrator", "WS-12.corp.example", "WS-12.corp.example."),
        (".\\administrator", "", "WS-12"),
        ("administrator", ".", "ws-12"),
        ("WS-12\\administrator", "", "ws-12.corp.example"),
    ],
)
def test_a_local_account_is_named_with_its_machine(name: str, domain: str, machine: str) -> None:
    assert IdentityResolver().user(name, domain=domain, host=machine) == "ws-12\\administrator"


def test_a_local_account_is_found_by_the_truncated_netbios_name() -> None:
    assert (
        IdentityResolver().user("eve", domain="WORKSTATION-LON", host="workstation-london-7")
        == "workstation-london-7\\eve"
    )


def test_a_domain_account_on_the_same_host_is_not_local() -> None:
    assert IdentityResolver().user("administrator", domain="CORP", host="WS-12") == "administrator"
    assert IdentityResolver().user(".\\administrator") == "administrator"
    assert IdentityResolver().user("administrator", domain="10.0.0.5", host="10.0.0.5") == "administrator"


def test_a_guest_is_recognised_by_the_plain_address_once_seen() -> None:
    resolver = IdentityResolver()
    assert resolver.user("bob@partner.com") == "bob"
    resolver.user("bob_partner.com#EXT#@corp.onmicrosoft.com")
    assert resolver.user("Bob@Partner.com") == "bob@partner.com"
    assert resolver.user("bob") == "bob"


@pytest.mark.parametrize(
    "sid",
    [
        "S-1-5-18",
        "S-1-5-19",
        "S-1-5-20",
        "S-1-5-7",
        "S-1-1-0",
        "S-1-5-90-0-1",
        "S-1-5-96-0-2",
        "S-1-5-80-3-4-5",
        "s-1-5-18",
    ],
)
def test_well_known_sids_are_nobody_whatever_the_name(sid: str) -> None:
    assert IdentityResolver().user(sid=sid) == ""
    assert IdentityResolver().user(sid) == ""
    assert IdentityResolver().user("WS-12$", sid=sid) == ""


def test_the_null_sid_of_a_failed_logon_leaves_the_name() -> None:
    assert IdentityResolver().user("alice", sid="S-1-0-0") == "alice"
    assert IdentityResolver().user("-", sid="S-1-0-0") == ""
    assert IdentityResolver().user(sid="-") == ""


def test_a_built_in_group_is_known_by_its_name_only() -> None:
    assert IdentityResolver().user("Administrators", domain="Builtin", sid="S-1-5-32-544") == "administrators"
    assert IdentityResolver().user(sid="S-1-5-32-544") == ""


def test_a_sid_is_remembered_with_its_first_name() -> None:
    resolver = IdentityResolver()
    assert resolver.user(sid=ALICE.lower()) == ALICE
    assert resolver.user("CORP\\Alice", sid=ALICE) == "alice"
    assert resolver.user(sid=ALICE.lower()) == "alice"
    assert resolver.user(ALICE) == "alice"
    assert resolver.user("%{" + ALICE + "}") == "alice"
    assert resolver.user("-", sid=ALICE) == "alice"


def test_a_hostile_pairing_is_counted_and_does_not_replace_the_name() -> None:
    resolver = IdentityResolver()
    resolver.user("alice", sid=ALICE)
    assert resolver.user("mallory", sid=ALICE) == "mallory"
    assert resolver.conflicts == 1
    assert resolver.user(sid=ALICE) == "alice"


def test_a_display_name_gives_way_to_the_remembered_one() -> None:
    resolver = IdentityResolver()
    assert resolver.user("CN=Alice Smith,OU=Staff,DC=corp", sid=ALICE) == "alice smith"
    resolver.user("alice", sid=ALICE)
    assert resolver.user("CN=Alice Smith,OU=Staff,DC=corp", sid=ALICE) == "alice"
    assert resolver.conflicts == 0


def test_other_stable_ids_are_remembered_too() -> None:
    resolver = IdentityResolver()
    assert resolver.user(sid="00U1AbCd") == "00u1abcd"
    resolver.user("alice@corp.example", sid="00U1AbCd")
    assert resolver.user(sid="00u1abcd") == "alice"


def test_a_unix_uid_belongs_to_its_machine() -> None:
    resolver = IdentityResolver()
    resolver.user("carol", sid="1000", host="web-01")
    assert resolver.user(sid="1000", host="web-01.corp.example") == "carol"
    assert resolver.user(sid="1000", host="web-02") == "web-02\\1000"


def test_memory_is_bounded_and_what_did_not_fit_is_counted() -> None:
    resolver = IdentityResolver(max_pairs=2)
    for number in range(5):
        resolver.user(f"user{number}", sid=f"S-1-5-21-1-2-3-{1000 + number}")
    assert len(resolver.sids) == 2
    assert resolver.dropped == 3


def test_a_checkpoint_restores_what_was_remembered() -> None:
    first = IdentityResolver()
    first.user("alice", sid=ALICE)
    first.user("bob_partner.com#EXT#@corp.onmicrosoft.com")
    second = IdentityResolver(first.sids)
    assert second.user(sid=ALICE) == "alice"
    assert second.user("bob@partner.com") == "bob@partner.com"
    second.user("dave", sid=ALICE[:-1] + "9")
    assert len(first.sids) == 2


ACCOUNT = "123456789012"


def role(name: str, session: str, **context: object) -> dict[str, object]:
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{session}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}",
        "accountId": ACCOUNT,
        "sessionContext": {"sessionIssuer": {"type": "Role", "userName": name}, **context},
    }


@pytest.mark.parametrize(
    ("identity", "entity"),
    [
        ({"type": "IAMUser", "userName": "Alice", "accountId": ACCOUNT}, "alice"),
        ({"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/staff/alice"}, "alice"),
        ({"type": "Root", "accountId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root"}, f"root@{ACCOUNT}"),
        ({"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root"}, f"root@{ACCOUNT}"),
        (role("AWSReservedSSO_Admin_0a1b", "alice@corp.example"), "alice"),
        (role("AWSReservedSSO_Admin_0a1b", "alice"), "alice"),
        (role("Okta-Developers", "alice@corp.example"), "alice"),
        (role("deploy", "session-1", sourceIdentity="alice@corp.example"), "alice"),
        (role("WebServer", "i-0abc12de34f56789a"), "role/webserver"),
        (role("Admin", "alice"), "role/admin"),
        (role("AWSServiceRoleForAutoScaling", "AutoScaling"), ""),
        ({"type": "AssumedRole", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Ops/x"}, "role/ops"),
        ({"type": "FederatedUser", "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/bob"}, "bob"),
        ({"type": "SAMLUser", "principalId": "abc=:alice", "userName": "alice@corp.example"}, "alice"),
        ({"type": "WebIdentityUser", "principalId": "accounts.example:app-1:carol"}, "carol"),
        ({"type": "IdentityCenterUser", "onBehalfOf": {"userId": "94B2-77"}, "credentialId": "x"}, "94b2-77"),
        ({"type": "AWSAccount", "accountId": ACCOUNT, "principalId": "AROA:x"}, f"account/{ACCOUNT}"),
        ({"type": "AWSService", "invokedBy": "config.amazonaws.com"}, ""),
        ({"invokedBy": "ec2.amazonaws.com"}, ""),
        ({}, ""),
        ({"type": 7, "arn": ["x"], "sessionContext": "x", "userName": None}, ""),
        ({"type": "AssumedRole", "sessionContext": {"sessionIssuer": 1, "sourceIdentity": {}}}, ""),
    ],
)
def test_a_cloudtrail_identity_becomes_an_entity(identity: dict[str, object], entity: str) -> None:
    resolver = IdentityResolver()
    assert resolver.aws(identity) == entity
    assert resolver.user(entity) == entity


@pytest.mark.parametrize(
    ("arn", "entity"),
    [
        ("arn:aws:iam::1:user/path/alice", "alice"),
        ("arn:aws-cn:iam::1:role/service/Deploy", "role/deploy"),
        ("arn:aws:sts::1:assumed-role/Role/session", "role/role"),
        ("arn:aws:sts::1:assumed-role/AWSReservedSSO_Dev_1/alice@corp.example", "alice"),
        ("arn:aws:iam::123456789012:root", "root@123456789012"),
        ("arn:", ""),
    ],
)
def test_an_arn_given_as_text_follows_the_same_rules(arn: str, entity: str) -> None:
    assert IdentityResolver().user(arn) == entity


@pytest.mark.parametrize(
    ("name", "entity"),
    [
        ("WS-12", "ws-12"),
        ("WS-12.corp.example.", "ws-12"),
        ("\\\\WS-12", "ws-12"),
        ("\\\\WS-12\\c$\\x", "ws-12"),
        ("WS-12$", "ws-12"),
        ("WS-12:445", "ws-12"),
        ("10.0.0.1", "10.0.0.1"),
        ("\\\\10.0.0.1\\c$", "10.0.0.1"),
        ("[2001:DB8::1]:443", "2001:db8::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("i-0abc12de34f56789a", "i-0abc12de34f56789a"),
        ("ip-10-0-0-1.eu-west-1.compute.internal", "ip-10-0-0-1"),
        ("\uff37\uff33-12\u202e\0", "ws-12"),
        ("localhost", ""),
        ("localhost.localdomain", ""),
        ("0.0.0.0", ""),  # noqa: S104
        ("::", ""),
        ("-", ""),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_a_host_has_one_short_name(name: str, entity: str) -> None:
    assert host(name) == entity


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("255.255.255.255", "255.255.255.255"),
        (" 10.0.0.1 ", "10.0.0.1"),
        ("10.0.0.1:445", "10.0.0.1"),
        ("10.0.0.1/32", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::FFFF:0a00:1", "10.0.0.1"),
        ("[::ffff:10.0.0.1]:80", "10.0.0.1"),
        ("[fe80::1%eth0]:443", "fe80::1"),
        ("fe80::1%12", "fe80::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::1", "::1"),
        ("0.0.0.0", ""),  # noqa: S104
        ("::", ""),
        ("-", ""),
        ("LOCAL", ""),
        ("", ""),
        ("1.2.3.400", ""),
        ("1.2.3.256", ""),
        ("01.2.3.4", ""),
        ("1.2.3", ""),
        ("1.2.3.4.5", ""),
        ("1..2.3", ""),
        ("²1.2.3.4", ""),
        ("1.2.3.4x", ""),
        ("10.0.0.0/8", ""),
        ("10.0.0.1:x", ""),
        ("[::1", "::1"),
        ("[::1]x", ""),
        ("1.2.3.4\0", ""),
        ("1" * 100_000, ""),
    ],
)
def test_an_address_has_one_spelling(text: str, address: str) -> None:
    assert ip(text) == address


def test_lookalike_letters_of_another_script_stay_another_user() -> None:
    assert IdentityResolver().user("\u0430dmin") != IdentityResolver().user("admin")


def full_width(text: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) for letter in text)


def test_full_width_letters_are_the_same_user() -> None:
    assert IdentityResolver().user(full_width("CORP\\ALICE")) == "alice"


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_names_are_total_bounded_clean_and_idempotent(text: str) -> None:
    resolver = IdentityResolver()
    user, machine, address = resolver.user(text), host(text), ip(text)
    for name in (user, machine, address):
        assert len(name) <= NAME_LIMIT
        assert name.isprintable()
    assert resolver.user(user) == user
    assert host(machine) == machine
    assert ip(address) == address


@settings(max_examples=300, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_a_resolved_user_stays_itself_on_its_machine(name: str, domain: str, sid: str, machine: str) -> None:
    resolver = IdentityResolver()
    user = resolver.user(name, domain=domain, sid=sid, host=machine)
    assert len(user) <= NAME_LIMIT
    assert user.isprintable()
    assert resolver.user(user, host=machine) == user


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), HOSTILE),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
AWS_KEYS = [
    "type",
    "arn",
    "userName",
    "accountId",
    "principalId",
    "sessionContext",
    "onBehalfOf",
    "invokedBy",
]


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(AWS_KEYS), JSON),
    st.sampled_from(["AssumedRole", "Root", "IdentityCenterUser", "x"]),
)
def test_any_cloudtrail_identity_gives_a_bounded_name(identity: dict[str, object], kind: str) -> None:
    name = IdentityResolver().aws({"type": kind, **identity})
    assert len(name) <= NAME_LIMIT
    assert name.isprintable()


PLAIN = st.text(alphabet="abcXYZ019.-_$@\\/ ", max_size=24) | st.sampled_from(
    [
        "localhost",
        "localhost.localdomain",
        "SYSTEM",
        "unknown",
        "dwm-1",
        "NT-AUTORITAT",
        "umfd-0",
        "s-1-5-18",
        "nan",
        "N.A",
        "iusr",
    ]
)


@given(PLAIN)
def test_the_short_cut_for_plain_hosts_says_what_the_rules_say(name):
    assert identity.host(name) == identity._any_host(name)


@given(PLAIN, PLAIN)
def test_the_short_cut_for_plain_users_says_what_the_rules_say(name, domain):
    assert identity._parse(name, domain, "") == identity._parse_any(name, domain, "")
