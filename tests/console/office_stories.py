"""The story behind a made-up alert: what the alert's page shows beside the finding."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tests.console.office_alerts import DAY_MS, Alerts, day_of


class Stories(Alerts):
    """Contexts and raw events."""

    def context(self, alert: dict[str, Any]) -> dict[str, Any]:
        """What the alert's page shows beside the finding."""
        who, at = alert["entity"], alert["raised"]
        return {
            "story": (
                f"On {alert['day']} from 00:58 to 03:41 UTC, {who} signed in from 198.51.100.7, an address"
                " never seen before, and used srv-17, a file server of Finance that this user had not touched"
                " in 412 events. Forty minutes later a key for the cloud account was made and 4.2 GB left for"
                " files.example. Colleagues in Engineering use none of the three."
            ),
            "next_steps": [
                f"Find the logon by which {who} came to srv-17: its type, and the machine it came from.",
                "Ask for a ticket, an on-call shift or a migration that explains access to srv-17.",
                "See what was started on srv-17 within ten minutes of the first logon.",
                "If nobody can explain it: disable the account and revoke the new access key.",
            ],
            "techniques": [
                {"id": "T1021", "name": "Remote Services"},
                {"id": "T1098.001", "name": "Additional Cloud Credentials"},
                {"id": "T1041", "name": "Exfiltration Over C2 Channel"},
            ],
            "evidence": self.evidence(alert),
            "usual": self._usual(),
            "hours": self._hours(at),
            "timeline": self._timeline(who, at),
            "graph": self._graph(alert),
            "similar": [
                {
                    **{k: other[k] for k in ("id", "day", "entity_kind", "entity", "risk", "state")},
                    "verdict_id": v,
                    "reason": r,
                }
                for other, v, r in zip(
                    list(self.alerts.values())[3:7],
                    (5, 2, 5, None),
                    (
                        self.word("nightly backup, ticket 4711"),
                        self.word("stolen laptop"),
                        self.word("migration"),
                        "",
                    ),
                    strict=False,
                )
            ],
            "risk_history": [
                {"day": day_of(at - (13 - back) * DAY_MS), "risk": risk, "alert": risk > 6}
                for back, risk in enumerate(alert["spark"])
            ],
        }

    def _usual(self) -> list[dict[str, Any]]:
        def some(*pairs: tuple[str, float]) -> list[dict[str, Any]]:
            return [{"value": self.word(value), "share": share} for value, share in pairs]

        def now(value: str, seen: int) -> list[dict[str, Any]]:
            return [{"value": self.word(value), "share": 0.0, "count": seen}]

        return [
            {
                "behaviour": "new/machine",
                "label": "Hosts",
                "now": now("srv-17", 0),
                "usual": some(("ws-004", 0.82), ("ws-011", 0.11), ("mail-1", 0.07)),
                "peers": some(("ws-004", 0.3), ("build-3", 0.22), ("mail-1", 0.18), ("srv-17", 0.01)),
            },
            {
                "behaviour": "new/address",
                "label": "Addresses",
                "now": now("198.51.100.7", 0),
                "usual": some(("10.1.4.12", 0.93), ("10.1.4.40", 0.07)),
                "peers": some(("10.1.4.0/24", 0.96)),
            },
            {
                "behaviour": "rhythm/hour",
                "label": "Hours",
                "now": now("03:00", 0),
                "usual": some(("09:00", 0.16), ("10:00", 0.15), ("14:00", 0.14), ("15:00", 0.12)),
                "peers": some(("10:00", 0.17), ("14:00", 0.15)),
            },
            {
                "behaviour": "cloud/call",
                "label": "Cloud calls",
                "now": now("iam:createaccesskey", 0),
                "usual": some(("s3:getobject", 0.61), ("sts:assumerole", 0.39)),
                "peers": some(("s3:getobject", 0.7)),
            },
        ]

    def _hours(self, at: int) -> dict[str, list[float]]:
        usual = [0.0] * 168
        for day in range(5):
            for hour in range(7, 19):
                usual[day * 24 + hour] = round(
                    max(0.0, 1 - abs(hour - 12.5) / 8 + self._random.gauss(0, 0.12)), 3
                )
        now = [0.0] * 168
        moment = datetime.fromtimestamp(at / 1000, UTC)
        for hour in (1, 2, 3):
            now[moment.weekday() * 24 + hour] = float(hour * 3)
        return {"usual": usual, "now": now}

    def _timeline(self, who: str, at: int) -> list[dict[str, Any]]:
        start = at // DAY_MS * DAY_MS
        rows = [
            (58, "identity", None, "signed in from 198.51.100.7 (Rotterdam), 38 failures before"),
            (72, "identity", "srv-17", "logged on to srv-17 (RDP)"),
            (81, "endpoint", "srv-17", "started powershell.exe from winword.exe"),
            (96, "endpoint", "srv-17", "wrote archive.7z, 4.1 GB"),
            (104, "network", "srv-17", "asked for files.example, known to no other machine"),
            (131, "cloud", None, "called iam:CreateAccessKey"),
            (168, "network", "srv-17", "sent 4.2 GB to files.example"),
            (221, "cloud", None, "called s3:ListBuckets 212 times"),
        ]
        return [
            {
                "time": start + minute * 60_000,
                "class": lane,
                "host": host and self.word(host),
                "user": who,
                "src_ip": "198.51.100.7",
                "text": self.word(text),
                "event_uid": f"e{minute}",
            }
            for minute, lane, host, text in rows
        ]

    def _graph(self, alert: dict[str, Any]) -> dict[str, Any]:
        nodes = [
            {"id": "n1", "kind": alert["entity_kind"], "name": alert["entity"], "risk": alert["risk"]},
            {"id": "n2", "kind": "host", "name": self.word("srv-17"), "risk": 6.2},
            {"id": "n3", "kind": "host", "name": self.word("ws-004"), "risk": 0.4},
            {"id": "n4", "kind": "src_ip", "name": self.word("198.51.100.7"), "risk": 4.8},
            {"id": "n5", "kind": "domain", "name": self.word("files.example"), "risk": None},
            {"id": "n6", "kind": "src_ip", "name": self.word("10.1.4.12"), "risk": 0.1},
            {"id": "n7", "kind": "user", "name": self.word("svc-backup"), "risk": 1.2},
        ]
        edges = [
            ("n4", "n1", 4),
            ("n1", "n2", 61),
            ("n1", "n3", 212),
            ("n2", "n5", 9),
            ("n6", "n3", 204),
            ("n7", "n2", 33),
        ]
        return {"nodes": nodes, "edges": [{"from": a, "to": b, "count": count} for a, b, count in edges]}

    def events(self, alert: dict[str, Any]) -> list[dict[str, Any]]:
        """Raw events behind an alert."""
        return [
            {
                "time": line["time"],
                "event_uid": line["event_uid"],
                "risk": round(70 - 6.0 * number, 1),
                "reason": line["text"],
                "raw": json.dumps(
                    {
                        "class_uid": 3002,
                        "time": line["time"],
                        "user": {"name": line["user"]},
                        "device": {"hostname": line["host"]},
                        "message": line["text"],
                    }
                ),
            }
            for number, line in enumerate(self._timeline(alert["entity"], alert["raised"]))
        ]
