"""What the double of the console's API does with alerts, views and exceptions, as docs/triage.md has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from tests.console.office_alerts import DAY_MS, VERDICTS

if TYPE_CHECKING:
    from starlette.requests import Request

    from tests.console.office import Office


class Desk:
    """Handlers: (office, request, body, who asks) to the answer's JSON. changed: ids, for the live line."""

    changed: list[str]

    def _alerts(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        query = request.query_params
        states = set(filter(None, query.get("state", "").split(",")))
        text = query.get("text", "").casefold()
        least = int(query.get("min_severity") or 1)
        ids = set(query["ids"].split(",")) if "ids" in query else None
        found = [
            alert
            for alert in office.alerts.values()
            if (not states or alert["state"] in states)
            and (ids is None or alert["id"] in ids)
            and alert["severity"] >= least
            and text in f"{alert['entity']} {alert['reason']}".casefold()
            and query.get("entity_kind", alert["entity_kind"]) == alert["entity_kind"]
            and query.get("entity", alert["entity"]) == alert["entity"]
            and ("assignee" not in query or query["assignee"] == alert["assignee"])
            and ("verdict_id" not in query or query["verdict_id"] == str(alert["verdict_id"] or "none"))
            and query.get("from", "") <= alert["day"] <= query.get("to", "9999")
        ]
        by = query.get("sort", "day")
        found.sort(key=lambda alert: (alert[by], alert["risk"]), reverse=True)
        first = int(query.get("after") or 0)
        last = first + int(query.get("limit", 100))
        page = found[first:last]
        sparks = int(query.get("sparks", 2000))
        page = page[:sparks] + [{**alert, "spark": None} for alert in page[sparks:]]
        return {"alerts": page, "next": str(last) if last < len(found) else None, "total": len(found)}

    def _golden(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        left = [alert for alert in office.alerts.values() if alert["id"] not in office.golden_answers]
        return {"alert": office.finding({**left[-1], "verdict_id": None, "state": "new"})}

    def _answer_golden(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        office.golden_answers.append(request.path_params["id"])
        agrees = body["verdict_id"] == 5
        return {"alert_id": request.path_params["id"], "agrees": agrees, "settled_id": 5, "settled": "Benign"}

    def _make_channel(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        if body["kind"] == "webhook" and not body["target"]["url"].startswith("https://"):
            raise HTTPException(400, "url: only https")
        made = {
            "id": f"c{len(office.channels)}",
            "kind": body["kind"],
            "label": body["label"],
            "target": "https://hooks.example/...",
            "rules": body["rules"],
            "created": office.now_ms,
            "actor": who["login"],
        }
        office.channels.append(made)
        return made | ({"secret": "whsec_shown_once"} if body["kind"] == "webhook" else {})

    def _test_channel(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        channel = next(one for one in office.channels if one["id"] == request.path_params["id"])
        office.messages.insert(
            0,
            {
                "key": f"m{len(office.messages)}", "channel_id": channel["id"], "channel": channel["label"],
                "kind": "test", "alert_id": None, "parcel": None, "state": "dead", "attempts": 3,
                "error": office.word("the receiver answered 500"), "created": office.now_ms, "next": None,
                "sent": None,
            },
        )  # fmt: skip
        return {"key": office.messages[0]["key"]}

    def _remove_channel(self, office: Office, request: Request, body: Any, who: Any) -> None:
        office.channels[:] = [one for one in office.channels if one["id"] != request.path_params["id"]]

    def _write(self, office: Office, alert: dict[str, Any], who: Any, what: str, old: str, new: str) -> None:
        """A change's line in the history, as `serving.triage.rows.note` writes it."""
        alert["version"] += 1
        alert["updated"] = office.now_ms
        lines = office.history.setdefault(alert["id"], [])
        lines.append(
            {
                "number": len(lines) + 1,
                "time": office.now_ms,
                "actor": who["login"],
                "what": what,
                "old": old,
                "new": new,
            }
        )
        self.changed.append(alert["id"])

    def _move(self, office: Office, alert: dict[str, Any], who: Any, state: str) -> None:
        if state != alert["state"]:
            old, alert["state"] = alert["state"], state
            self._write(office, alert, who, "state", old, state)

    def _verdicts(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        wanted = request.query_params.get("alert_id")
        return {"verdicts": [one for one in office.verdicts if one["alert_id"] == wanted], "next": None}

    def _verdict(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        alert = alert_of(office, request)
        if body.get("version") not in (None, alert["version"]):
            raise HTTPException(409, "somebody was faster")
        self._judge(office, alert, body, who)
        return {"verdict": {"uid": "v"}, "alert": office.finding(alert)}

    def _judge(self, office: Office, alert: dict[str, Any], body: Any, who: Any) -> None:
        alert["before"] = alert["verdict_id"]
        alert["verdict_id"] = body["verdict_id"]
        said = {
            "time": office.now_ms,
            "actor": who["login"],
            "alert_id": alert["id"],
            "reason": body["reason"],
        }
        office.verdicts.insert(0, said)
        self._write(office, alert, who, "verdict", "", VERDICTS[body["verdict_id"]])
        self._move(
            office,
            alert,
            who,
            body.get("state") or ("triaged" if alert["state"] == "new" else alert["state"]),
        )

    def _bulk(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        done, failed = [], []
        for one in body["ids"]:
            if one in office.alerts:
                self._judge(office, office.alerts[one], body, who)
                done.append(one)
            else:
                failed.append({"id": one, "error": "there is no alert with this id"})
        return {"done": done, "failed": failed}

    def _judge_incident(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        for finding in office.incident()["alerts"]:
            self._judge(office, office.alerts[finding["metadata"]["uid"]], body, who)
        return {"verdicts": 3}

    def _take_back(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        alert = alert_of(office, request)
        old, alert["verdict_id"] = alert["verdict_id"], alert.pop("before", None)
        self._write(office, alert, who, "revert", VERDICTS.get(old, ""), "")
        return {"verdict": {"uid": "v"}, "alert": office.finding(alert)}

    def _state(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        alert = alert_of(office, request)
        self._move(office, alert, who, body["state"])
        return office.finding(alert)

    def _assign(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        alert = alert_of(office, request)
        old = alert["assignee"]
        alert["assignee"] = who["login"] if body["assignee"] == "me" else body["assignee"]
        self._write(office, alert, who, "assignee", old, alert["assignee"])
        return office.finding(alert)

    def _note(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        alert = alert_of(office, request)
        self._write(office, alert, who, "note", "", body["text"])
        return office.finding(alert)

    def _history(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        alert_of(office, request)
        return {"lines": office.history.get(request.path_params["id"], []), "next": None}

    def _keep_view(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        name = request.path_params["name"]
        office.views[name] = {"name": name, "query": body["query"], "actor": who["login"]}
        return office.views[name]

    def _entities(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        text = request.query_params.get("text", "")
        seen = {
            (alert["entity_kind"], alert["entity"]): alert
            for alert in office.alerts.values()
            if text in alert["entity"]
        }
        return {
            "entities": [
                {"kind": k, "entity": e, "risk": a["risk"], "last_seen": a["raised"]}
                for (k, e), a in list(seen.items())[:20]
            ]
        }

    def _preview(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        some = list(office.alerts.values())[:3]
        return {
            "wide": not body.get("entity"),
            "entity_days": 14,
            "alerts": 3,
            "true_positives": 1,
            "nothing": 1,
            "changed": [
                {
                    "entity_kind": a["entity_kind"],
                    "entity": a["entity"],
                    "day": a["day"],
                    "risk": a["risk"],
                    "risk_after": round(a["risk"] * 0.4, 2),
                    "alert": True,
                    "verdict_ids": [2] if n == 0 else [],
                }
                for n, a in enumerate(some)
            ],
        }

    def _make_exception(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        wide = not body.get("entity")
        made = {
            "uid": f"x{len(office.exceptions)}",
            "state": "proposed" if wide else "holds",
            "wide": wide,
            "actor": who["login"],
            "time": office.now_ms,
            "approved_by": None,
            "lifted_by": None,
            **{
                name: body.get(name, "")
                for name in ("entity_kind", "entity", "group", "behaviour", "value", "reason")
            },
            "until": office.now_ms + 30 * DAY_MS,
        }
        office.exceptions.insert(0, made)
        return made

    def _lift(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        made = next(one for one in office.exceptions if one["uid"] == request.path_params["uid"])
        made |= {"state": "lifted", "lifted_by": who["login"]}
        return made

    def _retry(self, office: Office, request: Request, body: Any, who: Any) -> dict[str, Any]:
        chosen = [
            one
            for one in office.quarantine
            if one["id"] in body.get("ids", []) or one["reason"] == body.get("reason")
        ]
        office.quarantine = [one for one in office.quarantine if one not in chosen]
        return {"accepted": len(chosen), "quarantined": 0}


def alert_of(office: Office, request: Request) -> dict[str, Any]:
    found = office.alerts.get(request.path_params["id"])
    if found is None:
        raise HTTPException(404, "there is no alert with this id")
    return found
