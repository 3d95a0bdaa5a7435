"""What to do next, by behaviour, as data: what to check first, what to secure, how to stop it.

`{who}` is the entity, `{value}` what was odd about it. Order matters: a step that ends the case most often
comes first, and what is lost by waiting (memory, sessions, logs with short retention) is secured before
anything is switched off.
"""

from __future__ import annotations

from typing import NamedTuple


class Runbook(NamedTuple):
    """Steps for one kind of behaviour."""

    check: tuple[str, ...]
    collect: tuple[str, ...]
    contain: tuple[str, ...]


RUNBOOKS = {
    "sign-in source": Runbook(
        (
            (
                "Ask {who} over a channel other than mail whether they signed in from {value}; check travel "
                "and VPN exit lists."
            ),
            (
                "Look for a multi-factor prompt that was approved at that moment, a new device, or a new "
                "authenticator."
            ),
            (
                "List everything done in that session: mail rules, downloads, consents, tokens, new sign-in "
                "methods."
            ),
        ),
        (
            "Sign-in records of {who} for 30 days with address, device id, client and session id.",
            "All other accounts seen from {value} in the last 30 days.",
        ),
        (
            (
                "Revoke sessions and refresh tokens of {who}, reset the password, re-register authenticators "
                "in person."
            ),
            "Block {value} at the identity provider if no legitimate account uses it.",
        ),
    ),
    "impossible travel": Runbook(
        (
            (
                "Compare both sign-ins: same device id and client point to a VPN or mobile carrier, "
                "different ones to theft."
            ),
            "Check whether {value} is an exit of the company's VPN, proxy or a roaming telephone network.",
        ),
        ("Both sign-in records whole: address, device, client, factors used, session id.",),
        ("If the devices differ: revoke all sessions of {who} and reset credentials before asking further.",),
    ),
    "dormant account": Runbook(
        (
            (
                "Ask the owner or line manager why {who} is active again; check leave, departure and project "
                "dates."
            ),
            "Check who last reset the password or enabled the account, and when.",
        ),
        (
            "Directory history of {who}: enable, reset, group changes.",
            "All logons since it came back, with sources.",
        ),
        (
            (
                "Disable {who} until the owner confirms; for a departed person, keep it disabled and review "
                "its rights."
            ),
        ),
    ),
    "new machine": Runbook(
        (
            (
                "Find the logon by which {who} came to {value}: its type (interactive, RDP, SMB, SSH) and "
                "source machine."
            ),
            "Check for a ticket, on-call shift or migration that explains access to {value}.",
            "See what {who} started on {value} within ten minutes of the first logon.",
        ),
        (
            (
                "Logon events with source address and logon id on {value}, process starts and services "
                "created there."
            ),
            "The chain backwards: how {who} reached the machine that the logon came from.",
        ),
        (
            (
                "Isolate {value} from the network through the EDR if services, tasks or tools were dropped "
                "there."
            ),
            "Disable {who} and purge Kerberos tickets on both machines.",
        ),
    ),
    "new account on machine": Runbook(
        (
            "Check whether {value} is entitled to {who} (administrators, service account, shared machine).",
            "Look where the logon came from and whether {value} uses other new machines today.",
        ),
        ("Logon events on {who} of the last 24 hours, local group changes, newly created accounts.",),
        ("End the session of {value} on {who}; disable the account if its owner does not know of it.",),
    ),
    "logon method": Runbook(
        (
            (
                "Check which software made the logon by {value}: old clients and service accounts fall back, "
                "stolen hashes too."
            ),
            (
                "Compare source and target with the usual ones; NTLM to a server that speaks Kerberos is "
                "suspicious."
            ),
        ),
        (
            (
                "Logon events with package, key length and source; on the source machine, memory for "
                "credential theft."
            ),
        ),
        ("Reset the password of {who} twice (history), add to Protected Users if NTLM is not needed.",),
    ),
    "failed logons": Runbook(
        (
            (
                "Look for a success after the failures from the same source: that decides between noise and "
                "compromise."
            ),
            (
                "Tell a stale password (one account, one machine, steady rate) from spraying (many accounts, "
                "few tries each)."
            ),
        ),
        (
            "Failed and successful logons around it by source, account and reason.",
            "List of accounts that were tried.",
        ),
        (
            (
                "Block the source at the edge or the identity provider; enforce multi-factor for the "
                "accounts tried."
            ),
            "Reset every account that had a success from that source.",
        ),
    ),
    "many accounts": Runbook(
        (
            (
                "Check whether {who} is a gateway, proxy, terminal server or VPN exit, where many accounts "
                "are normal."
            ),
            "Count accounts with success and with failure; one password tried on many accounts is spraying.",
        ),
        ("Accounts with times and results from {who}; user agents or client versions.",),
        ("Rate-limit or block {who}; reset accounts with a success; warn the owners of the accounts tried.",),
    ),
    "account change": Runbook(
        (
            "Find the change request for what {who} did to {value}; ask the approver, not {who}.",
            "Check whether {value} got rights, a new credential, or a disabled second factor.",
        ),
        ("Directory or IAM audit records of {value} before and after.", "What {value} did since the change."),
        ("Undo the change to {value}; disable {who} if the change was not requested.",),
    ),
    "program": Runbook(
        (
            "Look at the parent process and the full command line: who or what started {value}?",
            "Check path, signature and hash; a known name in a user-writable folder is suspicious.",
            "Check whether software distribution put it on other machines today.",
        ),
        (
            "Full command line, hash and file of {value}; process tree an hour before and after.",
            "Memory of the machine before a restart if an interpreter or an injected process is involved.",
        ),
        ("Isolate the machine by EDR, stop the process tree, block the hash, keep the file for analysis.",),
    ),
    "many programs": Runbook(
        (
            "Sort the process starts by parent: one script or one installer usually explains them.",
            "Look for discovery commands in a row (whoami, net, nltest, systeminfo, ipconfig).",
        ),
        ("Process tree with command lines for the hour, script files and scheduled tasks.",),
        ("Stop the parent process; isolate the machine if discovery or credential tools are among them.",),
    ),
    "connecting program": Runbook(
        (
            (
                "Check whether {value} has a reason to use the network (updates, telemetry) and where it "
                "connected to."
            ),
            "Check signature, path and modules loaded: injected system programs connect too.",
        ),
        ("Connections of {value} with addresses and bytes; hash and memory of the process.",),
        ("Block the destination; isolate {who}; stop {value} after its memory is taken.",),
    ),
    "file access": Runbook(
        (
            "See what was done at {value} (read, write, rename, set rights) and by which process.",
            "For a start-up key, task folder, web root or key file: read what was written.",
        ),
        ("The file or registry value itself with times and owner; the process that touched it.",),
        (
            (
                "Remove what was planted at {value} after a copy is secured; restore rights; isolate if a "
                "process is unknown."
            ),
        ),
    ),
    "mass file change": Runbook(
        (
            (
                "Look at names and extensions after the change: one new extension everywhere or ransom notes "
                "mean encryption."
            ),
            "Check for deleted shadow copies or backups in the hour before.",
            "Find the process and account; backup, sync and build jobs do the same.",
        ),
        ("Sample of changed files with their originals, ransom note, process image and memory.",),
        (
            "Isolate {who} and disconnect its mapped shares at once: minutes count.",
            (
                "Disable the account that writes; check that backups are offline and whole before anything "
                "is restored."
            ),
        ),
    ),
    "collection": Runbook(
        (
            "List what {who} read, by folder or repository; compare with their work and with a leaving date.",
            "Look for archives, USB, personal cloud or mail to outside after the reading.",
        ),
        ("File or resource access records with names and sizes; later uploads by {who}.",),
        (
            (
                "Take read rights away from {who} at the source; involve legal and HR before confronting a "
                "person."
            ),
        ),
    ),
    "cloud call": Runbook(
        (
            (
                "Identify the credential: console session, access key, role or token, and where it was used "
                "from."
            ),
            "Check whether infrastructure code or a deployment made the call {value}.",
            (
                "Look for calls that prepare staying: new keys, roles, policies, federations, logging "
                "switched off."
            ),
        ),
        (
            "Audit trail of the principal for 24 hours around it, denied calls included.",
            "Resources made or changed since, by the same principal.",
        ),
        (
            (
                "Deactivate the key or revoke the role's sessions; roll back policies; snapshot instances "
                "before removal."
            ),
        ),
    ),
    "cloud discovery": Runbook(
        (
            "Check for scanners, inventory tools or posture management running as {who}.",
            "Look at the share of denied calls: an intruder probes, an inventory job does not.",
        ),
        ("Calls by name and result, source address, user agent, access key id.",),
        ("Deactivate the access key used; rotate what it could read (secrets, parameters).",),
    ),
    "cloud region": Runbook(
        (
            (
                "Check whether {value} is allowed by policy and whether anything was started there "
                "(machines, functions)."
            ),
            "Look at billing and quota alarms of that region.",
        ),
        ("Inventory of region {value}; audit trail from there (regional trails may be off).",),
        ("Stop what was started, deny the region by policy, deactivate the credential.",),
    ),
    "resource access": Runbook(
        (
            "Find out what {value} holds and who owns it; ask the owner whether {who} should be there.",
            "Check whether rights were granted lately, and by whom.",
        ),
        ("Access records of {value} (reads and listings) for a week; rights before and after.",),
        ("Remove the right; rotate secrets stored in {value}; keep access logging on.",),
    ),
    "new destination": Runbook(
        (
            (
                "Resolve {value}: owner, age of the domain, certificates, reputation, other machines that "
                "went there."
            ),
            "Find the process and the user behind the connection.",
        ),
        ("Proxy, DNS and flow records to {value}; packet capture if it still runs.",),
        ("Block {value} at proxy and DNS; isolate the machine if the process is unknown.",),
    ),
    "internal spread": Runbook(
        (
            (
                "Tell a scanner, monitoring or inventory server from a workstation that suddenly speaks to "
                "many machines."
            ),
            "Look at ports: one port on many machines is a scan or a worm, many ports on one is mapping.",
            "Check which of the machines answered and what was logged on them next.",
        ),
        ("Flows of {who} with ports and bytes; logons from {who} on the machines reached.",),
        ("Isolate {who}; block the service between workstations; check each machine that answered.",),
    ),
    "beacon": Runbook(
        (
            "Identify the program behind the beat to {value}; updates and monitoring agents beat as well.",
            "Check age and owner of {value}, the certificate, and whether answers vary in size (commands).",
        ),
        ("Connection times and sizes to {value}; process, start-up entry and memory of it.",),
        ("Block {value} and watch for a fallback address; isolate the machine; remove the start-up entry.",),
    ),
    "large transfer": Runbook(
        (
            "Find what was sent to {value}: process, files read before, archives made.",
            "Check whether backup, sync, video or a contract partner explains it.",
        ),
        ("Flow and proxy records with bytes by hour; file access of the account before; archives on disk.",),
        (
            (
                "Block {value} and pause the account; ask the provider of the service to preserve and remove "
                "the data."
            ),
        ),
    ),
    "dns volume": Runbook(
        (
            "Group the queries by registered domain: long random labels under one domain are a tunnel.",
            "Check for a mail gateway, crawler, or a browser's prefetching as the cause.",
        ),
        ("Queries with types and answers for an hour; the process where the endpoint logs it.",),
        (
            (
                "Sinkhole the domain; allow DNS only through the company's resolvers; isolate {who} if it is "
                "a tunnel."
            ),
        ),
    ),
    "client software": Runbook(
        (
            (
                "Check whether {value} came with an update; look for script libraries, headless browsers or "
                "old versions."
            ),
            (
                "Compare session id and address: the same session with another client is a stolen cookie or "
                "token."
            ),
        ),
        ("Requests with that client: addresses, paths, session ids.",),
        ("Revoke the sessions that used {value}; block the client where it is not needed.",),
    ),
    "web attack": Runbook(
        (
            "Look at the answers, not the requests: a 200 or 500 among the 404s shows what was found.",
            "Look for files written under the web root and for programs started by the web server's account.",
            "Tell your own vulnerability scanner by its address and schedule.",
        ),
        (
            "Access and error logs of {who} for the day, new files under the web root with hashes.",
            "Process tree of the web server's account; database log if a query may have been injected.",
        ),
        (
            (
                "Block the source in front of {who}; take the application offline if a file or program was "
                "planted."
            ),
            "Keep a disk image before anything is cleaned; rotate the secrets that the application holds.",
        ),
    ),
    "outside scan": Runbook(
        (
            (
                "Check whether the scan came from inside: outside noise is constant, an inside scanner is an "
                "incident."
            ),
            "List the ports that answered on {who} and whether the same source came back to one of them.",
        ),
        ("Flows between the source and all machines for the day.",),
        ("Block the source; close what should not answer. From inside: isolate the machine that scans.",),
    ),
    "raised rights": Runbook(
        (
            (
                "Ask whose session raised rights on {who}; compare with on-call plans and configuration "
                "management."
            ),
            "See what ran with the raised rights, and how the account had logged on before.",
        ),
        ("Authentication and audit log of {who}, shell history, accounts and keys added since.",),
        ("End the session, disable the account, check sudoers, cron and authorized keys for what was left.",),
    ),
    "unusual activity": Runbook(
        (
            "Read the other findings of {who} that day: this one alone rarely decides.",
            "Check shifts, on-call, maintenance and batch jobs at that time.",
        ),
        ("Events of {who} in that window, with source and session.",),
        ("None by this finding alone; act on what is found beside it.",),
    ),
    "alert of another detector": Runbook(
        (
            "Open the alert in its own console; look at the record or packet that raised '{value}'.",
            "Check what else happened on {who} within ten minutes before and after.",
        ),
        ("The raw record behind the alert, packet capture or log line, and the rule's text and version.",),
        ("Follow the detector's own response for the rule; isolate {who} only if a success is confirmed.",),
    ),
}

BY_CHANNEL = {
    "sign-in source": "user.src_ip user.src_net user.src_country user.src_host user.sources "
    "host.src_ip host.src_net host.sources",
    "impossible travel": "user.travel",
    "dormant account": "user.return host.return src_ip.return",
    "new machine": "user.host user.hosts src_ip.host src_ip.hosts",
    "new account on machine": "host.user host.users",
    "logon method": "user.auth",
    "failed logons": "user.failures host.failures src_ip.failures user.status_detail",
    "many accounts": "src_ip.user src_ip.users",
    "account change": "user.target_user user.accounts",
    "program": "user.process user.lineage user.command host.process host.lineage host.command",
    "many programs": "user.processes user.commands host.processes host.commands",
    "connecting program": "host.connecting",
    "file access": "user.file host.file",
    "mass file change": "user.changes host.changes user.folders host.folders",
    "collection": "user.files user.resources host.resources",
    "cloud call": "user.api host.api src_ip.api user.calls",
    "cloud discovery": "user.apis src_ip.apis",
    "cloud region": "user.cloud_region",
    "resource access": "user.resource host.resource",
    "new destination": "user.dst host.dst host.dst_net user.domain host.domain",
    "internal spread": "user.destinations host.destinations host.services host.connections host.dst_service",
    "beacon": "user.regular host.regular src_ip.regular user.chatter host.chatter src_ip.chatter",
    "large transfer": "user.transfer host.transfer src_ip.transfer user.bytes_out host.bytes_out "
    "user.bytes_in host.bytes_in",
    "dns volume": "host.queries user.domains host.domains",
    "client software": "user.user_agent host.user_agent src_ip.user_agent",
    "unusual activity": "user.activity host.activity src_ip.activity user.hour host.hour "
    "user.events host.events src_ip.events "
    "user.logons host.logons user.first_seen host.first_seen src_ip.first_seen",
}
"""Channels (without window and "/link") of each runbook."""
