"""A made-up organisation as the console's API tells of it: alerts, contexts, entities, models, operations.

Everything follows from a seed and a moment, so pictures and tests are the same every time. With `hostile`
set, every field that an attacker can choose carries a piece of the script-injection corpus.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
VERDICTS = {
    1: "False Positive",
    2: "True Positive",
    4: "Suspicious",
    5: "Benign",
    6: "Test",
    7: "Insufficient Data",
    10: "Duplicate",
}
SEVERITY = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}
STATUS = {"new": (1, "New"), "closed": (4, "Resolved")}
HOSTILE = (
    "<script>window.__xss=1</script>",
    "<img src=x onerror=window.__xss=2>",
    '"><svg onload=window.__xss=3>',
    "'-window.__xss=4-'",
    "javascript:window.__xss=5",
    "</style><script>window.__xss=6</script>",
    "{{constructor.constructor('window.__xss=7')()}}",
    "${window.__xss=8}",
    "<iframe srcdoc='<script>parent.__xss=9</script>'></iframe>",
    "<a href=javascript:window.__xss=10>click</a>",
    "user\u202egpj.exe\u200b",
    "<details open ontoggle=window.__xss=11>",
    "<math><mtext></mtext><script>window.__xss=12</script></math>",
    "`;window.__xss=13;`",
    "--><script>window.__xss=14</script><!--",
    "\\u003cscript\\u003ewindow.__xss=15\\u003c/script\\u003e",
)
PEOPLE = (
    "alice.martin",
    "zoe.keller",
    "ben.okafor",
    "carla.rossi",
    "dmitri.volkov",
    "emma.lindqvist",
    "farid.haddad",
    "grace.liu",
    "henrik.olsen",
    "ines.moreau",
    "jonas.weber",
    "karin.novak",
    "liam.byrne",
    "mara.costa",
    "nils.berg",
    "olga.petrova",
    "pavel.dvorak",
    "rosa.iglesias",
    "samir.nasser",
    "tove.dahl",
    "ulrike.brandt",
    "victor.hugo",
    "wanda.zielinska",
    "yusuf.demir",
)
HOSTS = [f"ws-{number:03d}" for number in range(1, 30)] + ["srv-17", "srv-04", "db-02", "mail-1", "build-3"]
REASONS = {
    "user": (
        "used host {host}: 0 of {n} events by this user, {g} of 38 in Finance, 1% among all other users",
        "came from address {ip}: 0 of {n} events by this user",
        "called iam.amazonaws.com:createaccesskey: 0 of {n} calls by this user",
        "was active at 03:00 on a Tuesday: 0 of {n} events between 00:00 and 05:00",
        "back after 61 days of silence: usually every 2 days",
        "read 1,204 files of Payroll in an hour: usually 12",
    ),
    "host": (
        "ran winword.exe > powershell.exe: 0 of {n} process starts of this host, {g} of 38 in Finance",
        "sent 4.2 GB to files.example in a day: usually 12 MB",
        "asked for Internet domain cdn-{g}.example: known to no other",
        "contacted 203.0.113.40 every 300 s for 9 hours: known to no other",
    ),
    "src_ip": ("had 40 failures in an hour: usually 0", "tried 31 accounts in ten minutes: usually 1"),
}


class Alerts:
    """Alerts of one tenant, and what people made of them.

    Parameters
    ----------
    seed
        Another number gives another organisation.
    alerts
        How many alerts there are.
    now
        The moment at which one looks, UTC.
    hostile
        Whether names, reasons and raw records carry the script-injection corpus.
    """

    def __init__(self, seed: int, alerts: int, now: datetime, *, hostile: bool = False) -> None:
        self._random = random.Random(seed)
        self.now = now
        self.now_ms = int(now.timestamp() * 1000)
        self.hostile = hostile
        self.alerts: dict[str, dict[str, Any]] = {}
        self.history: dict[str, list[dict[str, Any]]] = {}
        self.verdicts: list[dict[str, Any]] = []
        self.views: dict[str, dict[str, str]] = {}
        self.exceptions: list[dict[str, Any]] = []
        self.quarantine: list[dict[str, Any]] = []
        self.golden_answers: list[str] = []
        self.channels: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        for number in range(alerts):
            self.raise_alert(number)
        for number in range(23 if alerts else 0):
            self.quarantine.append(self._quarantined(number))

    def word(self, plain: str) -> str:
        """The word, or a piece of the corpus in its place."""
        return self._random.choice(HOSTILE) + plain[:3] if self.hostile else plain

    # ------------------------------------------------------------------------------------------------- alerts

    def raise_alert(self, number: int, **given: Any) -> dict[str, Any]:
        """A new alert in the compact form of the queue; given: fields that are set."""
        rng = self._random
        kind = rng.choices(("user", "host", "src_ip"), (6, 3, 1))[0]
        entity = {
            "user": PEOPLE[number % len(PEOPLE)],
            "host": HOSTS[number % len(HOSTS)],
            "src_ip": f"198.51.100.{number % 250 + 1}",
        }[kind]
        risk = 3.2 + rng.expovariate(0.33) if number else 14.2
        if number == 0:
            kind, entity = "user", "alice.martin"
        raised = self.now_ms - int((number**1.15) * 9 * 60_000) - rng.randrange(60_000) - 4 * 60_000
        state = (
            rng.choices(("new", "triaged", "in_progress", "contained"), (20, 3, 3, 1))[0]
            if number > 2
            else "new"
        )
        spark = [round(max(0.0, rng.gauss(1.2, 1.1)), 2) for _ in range(13)] + [round(risk, 2)]
        alert = {
            "id": f"a{number:05d}",
            "day": day_of(raised),
            "raised": raised,
            "updated": raised,
            "state": state,
            "severity": severity(risk),
            "risk": round(risk, 2),
            "entity_kind": kind,
            "entity": self.word(entity),
            "reason": self.word(self._reason(kind if number else "user", number)),
            "assignee": "" if state == "new" else rng.choice(("zoe", "ben", "dana")),
            "verdict_id": None,
            "version": 0,
            "spark": spark,
            **given,
        }
        self.alerts[alert["id"]] = alert
        return alert

    def _reason(self, kind: str, number: int) -> str:
        form = REASONS[kind][number % len(REASONS[kind])]
        return form.format(
            host=HOSTS[(number * 7 + 29) % len(HOSTS)],
            ip=f"198.51.100.{number % 200 + 7}",
            n=self._random.randrange(90, 900),
            g=self._random.randrange(3),
        )

    def finding(self, alert: dict[str, Any]) -> dict[str, Any]:
        """The alert as the OCSF finding of `serving.queries.finding`."""
        status = STATUS.get(alert["state"], (2, "In Progress"))
        reasons = [line["reason"] for line in self.evidence(alert) if line["points"] > 0]
        found: dict[str, Any] = {
            "class_uid": 2004,
            "time": alert["raised"],
            "start_time": alert["raised"] // DAY_MS * DAY_MS,
            "severity_id": alert["severity"],
            "severity": SEVERITY[alert["severity"]],
            "status_id": status[0],
            "status": status[1],
            "risk_score": round(alert["risk"]),
            "message": f"{alert['entity_kind']} {alert['entity']} departed from its habits on {alert['day']}",
            "finding_info": {
                "uid": alert["id"],
                "title": f"Unusual day of {alert['entity_kind']} {alert['entity']}",
                "created_time": alert["raised"],
                "modified_time": alert["updated"],
            },
            "metadata": {"version": "1.8.0", "uid": alert["id"]},
            "unmapped": {
                **{
                    name: alert[name] for name in ("entity_kind", "entity", "day", "risk", "state", "version")
                },
                "n_events": 412,
                "reasons": reasons,
                "first_time": alert["raised"] - 3 * HOUR_MS,
                "acknowledged_time": None,
                "contained_time": None,
                "closed_time": None,
            },
        }
        if alert["verdict_id"]:
            found |= {"verdict_id": alert["verdict_id"], "verdict": VERDICTS[alert["verdict_id"]]}
        if alert["assignee"]:
            found["assignee"] = {"name": alert["assignee"]}
        return found

    def evidence(self, alert: dict[str, Any]) -> list[dict[str, Any]]:
        """What the risk is made of; points add up to it."""
        lines = [
            ("new/machine", "New machine", "srv-17", 8.0, alert["reason"]),
            (
                "new/address",
                "New address",
                "198.51.100.7",
                5.0,
                "came from address 198.51.100.7: 0 of 412 events",
            ),
            ("rhythm/hour", "Unusual hour", "03:00", 3.1, "was active at 03:00: 0 of 412 events at night"),
            ("volume/bytes", "Volume", "4.2 GB", 2.6, "sent 4.2 GB in an hour: usually 12 MB"),
            (
                "cloud/call",
                "New API call",
                "createaccesskey",
                2.2,
                "called iam:createaccesskey: 0 of 31 calls",
            ),
        ]
        total = sum(line[3] for line in lines)
        held = 0.9
        points = [round(line[3] / total * (alert["risk"] + held), 2) for line in lines]
        rest = round(alert["risk"] - sum(points), 2)
        found = [
            {
                "channel": channel,
                "behaviour": channel,
                "label": self.word(label),
                "value": self.word(value),
                "nats": nats,
                "points": point,
                "reason": self.word(reason),
            }
            for (channel, label, value, nats, reason), point in zip(lines, points, strict=True)
        ]
        found.append(
            {
                "channel": "ranking",
                "behaviour": None,
                "label": "Past days of this entity",
                "value": None,
                "nats": None,
                "points": rest,
                "reason": "Days with as much evidence were not rare for this entity.",
            }
        )
        return found

    def _quarantined(self, number: int) -> dict[str, Any]:
        reason = (
            "time: no such moment 'yesterday'",
            "no JSON: expected `,` at byte 812",
            "source: unknown record type 1339",
        )[number % 3]
        return {
            "id": f"q{number}",
            "time": self.now_ms - number * 17 * 60_000,
            "source": ("winlogbeat", "zeek", "auditd")[number % 3],
            "reason": self.word(reason),
            "raw": self.word('{"@timestamp": "yesterday", "winlog": {"event_id": 4624}}'),
        }


def severity(risk: float) -> int:
    """OCSF severity_id of a risk in nats (`serving.triage.words.BARS`)."""
    return next((number for bar, number in ((12, 5), (9, 4), (6, 3), (3, 2)) if risk >= bar), 1)


def day_of(ms: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).date().isoformat()
