r"""Which ATT&CK techniques a behaviour supports, as data.

MITRE ATT&CK Enterprise 17.0 (April 2025): ids, names and tactics as published there. Where a technique has
several tactics, the one is named that the behaviour shows. A behaviour that shows no technique (an unusual
hour, a new kind of event) names none: an empty answer is better than a guess.
"""

from __future__ import annotations

from typing import NamedTuple

ATTACK_VERSION = "17.0"

TACTICS = {
    "reconnaissance": ("TA0043", "Reconnaissance", 0.5),
    "initial-access": ("TA0001", "Initial Access", 1.0),
    "execution": ("TA0002", "Execution", 1.0),
    "discovery": ("TA0007", "Discovery", 1.0),
    "persistence": ("TA0003", "Persistence", 1.5),
    "defense-evasion": ("TA0005", "Defense Evasion", 1.5),
    "privilege-escalation": ("TA0004", "Privilege Escalation", 2.0),
    "credential-access": ("TA0006", "Credential Access", 2.0),
    "lateral-movement": ("TA0008", "Lateral Movement", 3.0),
    "collection": ("TA0009", "Collection", 3.0),
    "command-and-control": ("TA0011", "Command and Control", 3.0),
    "exfiltration": ("TA0010", "Exfiltration", 5.0),
    "impact": ("TA0040", "Impact", 8.0),
}
"""Id, name and how much worse an attack is that has come there than one at its start: a choice, in the order
in which damage comes near. `models.incidents.severity` says how it is used.
"""

TECHNIQUES = {
    "T1003": ("OS Credential Dumping", "credential-access"),
    "T1003.001": ("LSASS Memory", "credential-access"),
    "T1003.003": ("NTDS", "credential-access"),
    "T1003.008": ("/etc/passwd and /etc/shadow", "credential-access"),
    "T1018": ("Remote System Discovery", "discovery"),
    "T1021": ("Remote Services", "lateral-movement"),
    "T1021.001": ("Remote Desktop Protocol", "lateral-movement"),
    "T1021.002": ("SMB/Windows Admin Shares", "lateral-movement"),
    "T1021.004": ("SSH", "lateral-movement"),
    "T1021.006": ("Windows Remote Management", "lateral-movement"),
    "T1033": ("System Owner/User Discovery", "discovery"),
    "T1041": ("Exfiltration Over C2 Channel", "exfiltration"),
    "T1046": ("Network Service Discovery", "discovery"),
    "T1047": ("Windows Management Instrumentation", "execution"),
    "T1048": ("Exfiltration Over Alternative Protocol", "exfiltration"),
    "T1053.003": ("Cron", "persistence"),
    "T1053.005": ("Scheduled Task", "persistence"),
    "T1059": ("Command and Scripting Interpreter", "execution"),
    "T1059.001": ("PowerShell", "execution"),
    "T1059.003": ("Windows Command Shell", "execution"),
    "T1059.004": ("Unix Shell", "execution"),
    "T1059.006": ("Python", "execution"),
    "T1070.001": ("Clear Windows Event Logs", "defense-evasion"),
    "T1071": ("Application Layer Protocol", "command-and-control"),
    "T1071.001": ("Web Protocols", "command-and-control"),
    "T1071.004": ("DNS", "command-and-control"),
    "T1078": ("Valid Accounts", "initial-access"),
    "T1078.004": ("Cloud Accounts", "initial-access"),
    "T1082": ("System Information Discovery", "discovery"),
    "T1083": ("File and Directory Discovery", "discovery"),
    "T1087": ("Account Discovery", "discovery"),
    "T1098": ("Account Manipulation", "persistence"),
    "T1098.001": ("Additional Cloud Credentials", "persistence"),
    "T1098.003": ("Additional Cloud Roles", "persistence"),
    "T1098.004": ("SSH Authorized Keys", "persistence"),
    "T1105": ("Ingress Tool Transfer", "command-and-control"),
    "T1110": ("Brute Force", "credential-access"),
    "T1110.003": ("Password Spraying", "credential-access"),
    "T1112": ("Modify Registry", "defense-evasion"),
    "T1114.003": ("Email Forwarding Rule", "collection"),
    "T1136": ("Create Account", "persistence"),
    "T1136.003": ("Cloud Account", "persistence"),
    "T1140": ("Deobfuscate/Decode Files or Information", "defense-evasion"),
    "T1190": ("Exploit Public-Facing Application", "initial-access"),
    "T1213": ("Data from Information Repositories", "collection"),
    "T1218": ("System Binary Proxy Execution", "defense-evasion"),
    "T1482": ("Domain Trust Discovery", "discovery"),
    "T1485": ("Data Destruction", "impact"),
    "T1486": ("Data Encrypted for Impact", "impact"),
    "T1490": ("Inhibit System Recovery", "impact"),
    "T1505.003": ("Web Shell", "persistence"),
    "T1526": ("Cloud Service Discovery", "discovery"),
    "T1530": ("Data from Cloud Storage", "collection"),
    "T1535": ("Unused/Unsupported Cloud Regions", "defense-evasion"),
    "T1543.003": ("Windows Service", "persistence"),
    "T1547.001": ("Registry Run Keys / Startup Folder", "persistence"),
    "T1548.003": ("Sudo and Sudo Caching", "privilege-escalation"),
    "T1550": ("Use Alternate Authentication Material", "lateral-movement"),
    "T1555.006": ("Cloud Secrets Management Stores", "credential-access"),
    "T1560.001": ("Archive via Utility", "collection"),
    "T1562.008": ("Disable or Modify Cloud Logs", "defense-evasion"),
    "T1564.008": ("Email Hiding Rules", "defense-evasion"),
    "T1567": ("Exfiltration Over Web Service", "exfiltration"),
    "T1567.002": ("Exfiltration to Cloud Storage", "exfiltration"),
    "T1569.002": ("Service Execution", "execution"),
    "T1595": ("Active Scanning", "reconnaissance"),
    "T1595.003": ("Wordlist Scanning", "reconnaissance"),
}
"""Name and tactic by id."""


class Pattern(NamedTuple):
    """Values that show a technique: on these channels, values in which this expression is found (lower case).

    An empty expression holds for every value, and then for findings without one.
    """

    channels: tuple[str, ...]
    value: str
    technique: str


RUN = ("user.process", "user.lineage", "user.command", "host.process", "host.lineage", "host.command")
TOUCH = ("user.file", "host.file")
CALL = ("user.api", "host.api", "src_ip.api")


def _program(*names: str) -> str:
    # the program that was started: the last of a lineage, or what follows a shell in a command's shape
    return rf"(?:^|[\s/>])(?:{'|'.join(names)})(?:\.exe)?(?:\s|$)"


PATTERNS = (
    # -- who came from where
    Pattern(
        (
            "user.src_ip",
            "user.src_net",
            "user.src_country",
            "user.src_host",
            "user.travel",
            "user.return",
            "host.user",
        ),
        "",
        "T1078",
    ),
    Pattern(("user.cloud_region", "user.calls", "user.apis"), "", "T1078.004"),
    Pattern(("user.cloud_region",), "", "T1535"),
    Pattern(("user.host", "user.hosts", "src_ip.hosts"), "", "T1021"),
    Pattern(("host.dst_service",), r"/3389$", "T1021.001"),
    Pattern(("host.dst_service",), r"/(?:445|139)$", "T1021.002"),
    Pattern(("host.dst_service",), r"/22$", "T1021.004"),
    Pattern(("host.dst_service",), r"/598[56]$", "T1021.006"),
    Pattern(("user.auth",), r"^ntlm", "T1550"),
    # -- guessing
    Pattern(("user.failures", "host.failures", "src_ip.failures"), "", "T1110"),
    Pattern(("src_ip.users",), "", "T1110.003"),
    # -- looking around
    Pattern(("host.services", "host.connections"), "", "T1046"),
    Pattern(("user.destinations", "host.destinations"), "", "T1018"),
    Pattern(("user.folders", "host.folders"), "", "T1083"),
    Pattern(("src_ip.apis", "user.apis"), "", "T1526"),
    Pattern(RUN, _program("nmap", "masscan", "zmap"), "T1046"),
    Pattern(RUN, _program("whoami", "quser", "logname"), "T1033"),
    Pattern(RUN, _program("nltest", "adfind"), "T1482"),
    Pattern(RUN, _program("systeminfo", "uname", "lsb_release"), "T1082"),
    Pattern(RUN, _program("net1?", "dsquery", "getent") + r".*(?:user|group|domain|passwd)", "T1087"),
    # -- programs
    Pattern(RUN, _program("powershell", "pwsh"), "T1059.001"),
    Pattern(RUN, _program("cmd"), "T1059.003"),
    Pattern(RUN, _program("bash", "sh", "dash", "zsh", "ksh"), "T1059.004"),
    Pattern(RUN, _program(r"python[\d.*]*"), "T1059.006"),
    Pattern(RUN, _program("wscript", "cscript", "perl", "ruby", "node", "osascript"), "T1059"),
    Pattern(RUN, _program("wmic", "wmiprvse"), "T1047"),
    Pattern(RUN, _program("psexec(?:64)?", "psexesvc"), "T1569.002"),
    Pattern(RUN, _program("rundll32", "regsvr32", "mshta", "msbuild", "installutil", "odbcconf"), "T1218"),
    Pattern(RUN, _program("schtasks", "at"), "T1053.005"),
    Pattern(RUN, _program("crontab"), "T1053.003"),
    Pattern(RUN, _program("sc") + r".*(?:create|config)", "T1543.003"),
    Pattern(RUN, _program("net1?") + r".*user.*/add", "T1136"),
    Pattern(RUN, _program("useradd", "adduser"), "T1136"),
    Pattern(RUN, _program("reg") + r".*\b(?:add|delete)\b", "T1112"),
    Pattern(RUN, _program("sudo"), "T1548.003"),
    Pattern(RUN, _program("procdump(?:64)?", "mimikatz", "sekurlsa"), "T1003.001"),
    Pattern(RUN, _program("rundll32") + r".*comsvcs", "T1003.001"),
    Pattern(RUN, _program("ntdsutil", r"secretsdump(?:\.py)?"), "T1003.003"),
    Pattern(RUN, _program("certutil", "bitsadmin", "curl", "wget"), "T1105"),
    Pattern(RUN, _program("certutil") + r".*decode", "T1140"),
    Pattern(RUN, _program("wevtutil") + r".*\bcl", "T1070.001"),
    Pattern(RUN, _program("vssadmin", "wbadmin", "bcdedit"), "T1490"),
    Pattern(RUN, _program("7za?", "rar", "winrar", "tar", "zip"), "T1560.001"),
    Pattern(RUN, _program("rclone", "megasync", "megacmd"), "T1567.002"),
    # -- files and registry
    Pattern(TOUCH, r"currentversion/run|/start menu/|/startup/", "T1547.001"),
    Pattern(TOUCH, r"/\.ssh/authorized_keys", "T1098.004"),
    Pattern(TOUCH, r"/cron(?:\.|tab|/)", "T1053.003"),
    Pattern(TOUCH, r"/system32/tasks", "T1053.005"),
    Pattern(TOUCH, r"^/etc/(?:shadow|passwd)", "T1003.008"),
    Pattern(TOUCH, r"ntds\.dit|/ntds/", "T1003.003"),
    Pattern(TOUCH, r"(?:www|wwwroot|htdocs|inetpub).*\.(?:php|aspx?|jspx?)$", "T1505.003"),
    Pattern(TOUCH, r"^//[^/]+/(?:[a-z]|admin|ipc)\$", "T1021.002"),
    Pattern(("user.changes", "host.changes"), "", "T1486"),
    Pattern(("user.changes", "host.changes"), "", "T1485"),
    Pattern(("user.files", "user.resources"), "", "T1213"),
    # -- the cloud
    Pattern(CALL, r"createaccesskey|add service principal credential|createserviceaccountkey", "T1098.001"),
    Pattern(CALL, r"attach(?:user|role)policy|putuserpolicy|add member to role|setiampolicy", "T1098.003"),
    Pattern(CALL, r":createuser$|:add user$|createserviceaccount$", "T1136.003"),
    Pattern(
        CALL, r"stoplogging|deletetrail|puteventselectors|updatetrail|deleteflowlogs|deletesink", "T1562.008"
    ),
    Pattern(
        CALL, r"getsecretvalue|batchgetsecretvalue|getparameters?$|secretget|accesssecretversion", "T1555.006"
    ),
    Pattern(CALL, r"(?:new|set)-inboxrule|updateinboxrules", "T1564.008"),
    Pattern(CALL, r"set-mailbox$|new-transportrule", "T1114.003"),
    Pattern(CALL, r"(?:^|:)(?:list|describe|get)(?:buckets|instances|roles|users|account|policies)", "T1526"),
    Pattern(("user.resources",), "", "T1530"),
    # -- accounts
    Pattern(("user.target_user", "user.accounts"), "", "T1098"),
    # -- traffic
    Pattern(("host.user_agent", "src_ip.user_agent"), "", "T1071.001"),
    Pattern(("host.connecting",), "", "T1071"),
    Pattern(("user.regular", "host.regular", "host.chatter", "user.chatter"), "", "T1071"),
    Pattern(("host.queries", "host.domains"), "", "T1071.004"),
    Pattern(("user.transfer", "host.transfer"), "", "T1048"),
    Pattern(("user.transfer", "host.transfer"), "", "T1041"),
    Pattern(("user.bytes_out", "host.bytes_out"), "", "T1048"),
)
"""Read from top to bottom; a finding may show several. Channels are named without window and "/link"."""

FOREIGN = (
    Pattern((), r"brute.?force|multiple (?:failed|auth)|password spray", "T1110"),
    Pattern((), r"\bscan\b|portscan|nmap", "T1595"),
    Pattern((), r"multiple web server 400|nikto|gobuster|dirb\b", "T1595.003"),
    Pattern((), r"common web attack|suspicious url access|sql injection|exploit", "T1190"),
    Pattern((), r"web.?shell", "T1505.003"),
    Pattern((), r"sudo", "T1548.003"),
    Pattern((), r"high entropy in dns|dns tunnel", "T1071.004"),
    Pattern((), r"ransom", "T1486"),
    Pattern((), r"mimikatz|lsass", "T1003.001"),
)
"""For rules of other detectors that claim no technique: by their names."""
