"""Entities, models and operations of the made-up organisation (`tests.console.office_alerts`)."""

from __future__ import annotations

import random
from typing import Any

from tests.console.office_alerts import DAY_MS, HOUR_MS, day_of
from tests.console.office_stories import Stories


class Office(Stories):
    """Everything that the console asks of one tenant."""

    def entity(self, kind: str, name: str) -> dict[str, Any]:
        """Days of an entity, newest first."""
        rng = random.Random(name)
        days = []
        for back in range(45):
            risk = round(max(0.0, rng.gauss(1.3, 1.2)), 2) if back else 14.2
            reasons = (
                [self.word("used host srv-17: 0 of 412 events by this user; 8.0 nats, 1 in 3,000")]
                if risk > 2.5
                else []
            )
            days.append(
                {
                    "day": day_of(self.now_ms - back * DAY_MS),
                    "risk": risk,
                    "alert": risk > 4,
                    "n_events": rng.randrange(80, 500),
                    "reasons": reasons,
                    "open": back == 0,
                }
            )
        return {"entity_kind": kind, "entity": name, "days": days}

    def habits(self, name: str) -> dict[str, Any]:
        """What is normal."""
        rows = []
        for behaviour, values in (
            ("machine", ("ws-004", "ws-011", "mail-1")),
            ("address", ("10.1.4.12", "10.1.4.40")),
            ("process", ("outlook.exe", "chrome.exe", "code.exe", "python.exe", "teams.exe")),
            ("cloud call", ("s3:getobject", "sts:assumerole")),
        ):
            shares = [2.0**-rank for rank in range(len(values))]
            for value, share in zip(values, shares, strict=True):
                rows.append(
                    {
                        "level": "entity",
                        "entity_kind": "user",
                        "entity": name,
                        "behaviour": behaviour,
                        "value": self.word(value),
                        "weight": round(412 * share / sum(shares), 1),
                        "share": share / sum(shares),
                        "distinct": len(values),
                    }
                )
        return {"entity": name, "habits": rows, "total": len(rows)}

    def entity_context(self, kind: str, name: str) -> dict[str, Any]:
        """What the entity's page shows beside its days."""
        return {
            "hours": self._hours(self.now_ms),
            "groups": [self.word("Engineering")],
            "peers": [
                {"kind": "user", "entity": self.word(one), "share": share}
                for one, share in (
                    ("ben.okafor", 0.81),
                    ("grace.liu", 0.77),
                    ("liam.byrne", 0.64),
                    ("nils.berg", 0.52),
                )
            ],
            "events": self.events({"entity": name, "raised": self.now_ms}),
            "verdicts": [
                {
                    "uid": "v1",
                    "day": day_of(self.now_ms - 20 * DAY_MS),
                    "verdict_id": 5,
                    "verdict": "Benign",
                    "reason": self.word("moved to another desk"),
                    "actor": "zoe",
                    "time": self.now_ms - 20 * DAY_MS,
                    "alert_id": "a00009",
                    "reverted_time": None,
                }
            ],
        }

    def budget(self) -> dict[str, Any]:
        """The alert budget."""
        week = [
            {"day": day_of(self.now_ms - (6 - back) * DAY_MS), "raised": raised}
            for back, raised in enumerate((9, 11, 8, 6, 12, 10, 7))
        ]
        return {"nominal": 10.0, "today": 7, "week": week, "rate": 9.0}

    def models(self) -> dict[str, Any]:
        """What serves, and how well it does."""
        grid = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]
        return {
            "active": {"version": "12", "digest": "9f2c51e0a7b4", "trained": self.now_ms - 6 * DAY_MS},
            "champion": {
                "name": "ranker-12",
                "version": "12",
                "trained": self.now_ms - 6 * DAY_MS,
                "digest": "9f2c51e0a7b4",
                "metrics": {"recall at budget": 0.81, "precision at 10": 0.62, "alerts a day": 9.4},
            },
            "challenger": {
                "name": "ranker-13",
                "version": "13",
                "trained": self.now_ms - DAY_MS,
                "digest": "c01d77aa3e19",
                "metrics": {"recall at budget": 0.84, "precision at 10": 0.6, "alerts a day": 9.8},
            },
            "calibration": {
                "nominal": grid,
                "realised": [
                    value * factor
                    for value, factor in zip(grid, (1.7, 1.5, 1.2, 1.1, 1.04, 1.0, 0.99), strict=True)
                ],
            },
            "drift": [
                {"name": self.word(name), "value": value, "bar": 0.2}
                for name, value in (
                    ("new/machine", 0.04),
                    ("new/address", 0.07),
                    ("volume/bytes", 0.24),
                    ("rhythm/hour", 0.05),
                    ("cloud/call", 0.12),
                )
            ],
            "precision_by_channel": {
                "new": {"true_positives": 21, "nothing": 14, "undecided": 3, "precision": 0.6},
                "volume": {"true_positives": 4, "nothing": 9, "undecided": 1, "precision": 4 / 13},
                "rhythm": {"true_positives": 2, "nothing": 3, "undecided": 0, "precision": 0.4},
                "cloud": {"true_positives": 0, "nothing": 0, "undecided": 2, "precision": None},
            },
            "feedback": {"verdicts": 62, "exceptions": 5, "held": 118, "remembered": 31, "days_changed": 44},
            "actions": ["promote", "rollback"],
            "registry": {
                "model": "ranker",
                "doing": "",
                "trouble": "",
                "refused": {"77aa01c2d3e4f506": self.word("does not match its checksum")},
                "job": {"action": "promote", "state": "refused", "text": self.word("ap fell"), "began": 0.0},
            },
            "beside": {
                "name": "ranker-13",
                "version": 13,
                "digest": "c01d77aa3e19",
                "has_served": False,
                "days": [
                    {
                        "day": day_of(self.now_ms - back * DAY_MS),
                        "overlap": 0.93,
                        "top": 0.8,
                        "alerts": {"both": 7, "serving": 1, "beside": 2},
                        "only": {
                            "serving": [],
                            "beside": [
                                {
                                    "entity_kind": "user",
                                    "entity": self.word("ACME\\lea"),
                                    "risk": {"serving": None, "beside": 8.4},
                                    "reason": self.word("used host srv-17"),
                                }
                            ],
                        },
                    }
                    for back in (2, 1)
                ],
            },
        }

    def operations(self) -> dict[str, Any]:
        """Sources, ledger and lag."""
        return {
            "sources": [
                {
                    "source": self.word(name),
                    "rate": rate,
                    "last_received": self.now_ms - late,
                    "events": events,
                }
                for name, rate, late, events in (
                    ("winlogbeat", 412.0, 900, 81_204_113),
                    ("zeek", 1310.5, 400, 214_009_870),
                    ("cloudtrail", 3.2, 44_000, 912_004),
                    ("entra", 1.1, 5 * HOUR_MS, 40_212),
                )
            ],
            "ledger": {
                "received": 296_166_199,
                "scored": 296_120_700,
                "duplicate": 44_102,
                "late": 1_374,
                "quarantined": 23,
            },
            "lag_seconds": 1.4,
            "free_bytes": 212_000_000_000,
        }

    # ------------------------------------------------------------------------------------ incidents

    def incident(self) -> dict[str, Any]:
        """The one incident, of the first three alerts, as `serving.incidents` tells it."""
        alerts = [self.finding(alert) for alert in list(self.alerts.values())[:3]]
        who = alerts[0]["unmapped"]["entity"]
        title = f"user {who}: used host srv-17 and 2 more"
        moments = self._timeline(who, self.now_ms)
        return {
            "incident": {
                "class_uid": 2005,
                "time": self.now_ms,
                "start_time": moments[0]["time"],
                "end_time": moments[-1]["time"],
                "severity_id": 5,
                "message": title,
                "metadata": {"uid": "i1"},
                "unmapped": {"incident_id": "i1", "risk": 15.0, "n_alerts": 3, "state": "new"},
            },
            "description": {
                "title": title,
                "story": [
                    "Three alerts tell one story of a user, two hosts and an address.",
                    self.word("What ties it together: the session from 198.51.100.7."),
                ],
                "severity_id": 5,
                "risk": 15.0,
                "techniques": [["T1021", self.word("Remote Services"), "Lateral Movement", 8.0, False]],
                "timeline": [
                    {
                        "first_us": one["time"] * 1000,
                        "last_us": one["time"] * 1000,
                        "view": one["class"],
                        "entity_kind": "user",
                        "entity": who,
                        "says": one["text"],
                        "nats": 5.0,
                        "count": 1 + number,
                    }
                    for number, one in enumerate(moments)
                ],
                "next_steps": [
                    [
                        "new machine",
                        f"user {who}",
                        ["Find the logon by which it came to srv-17."],
                        ["Logon events with source address on srv-17."],
                        ["Isolate srv-17 if tools were dropped there."],
                    ]
                ],
                "alerts": 3,
                "events": 61,
            },
            "ties": [
                {"uid": "a00001", "who": who, "things": [self.word("address 198.51.100.7")], "nats": 11.5}
            ],
            "alerts": alerts,
        }
