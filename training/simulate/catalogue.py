"""What people and machines run: programs with usual parents and command lines, for Windows and Linux.

Command templates may name {account}, {server}, {share}, {file}, {n}, {host}, {domain} (a small site) and
{blob} (encoded text). Tools that intruders like (net, nltest, PsExec, wmic, certutil, robocopy) are here
because administrators, developers and logon scripts use them every day.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.simulate.places import CLOUD_CALLS, CloudCall

EXPLORER = r"C:\Windows\explorer.exe"
SERVICES = r"C:\Windows\System32\services.exe"
SVCHOST = r"C:\Windows\System32\svchost.exe"
CMD = r"C:\Windows\System32\cmd.exe"
POWERSHELL = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
USERINIT = r"C:\Windows\System32\userinit.exe"
WSMPROVHOST = r"C:\Windows\System32\wsmprovhost.exe"
BASH = "/usr/bin/bash"
SSHD = "/usr/sbin/sshd"
SYSTEMD = "/usr/lib/systemd/systemd"
CRON = "/usr/sbin/cron"


@dataclass(frozen=True, slots=True)
class Program:
    """A program: path of its file, its usual parent, and its command lines, commonest first."""

    path: str
    parent: str
    commands: tuple[str, ...]


_S32 = r"C:\Windows\System32" + "\\"
_PF = r"C:\Program Files" + "\\"
_PX = r"C:\Program Files (x86)" + "\\"


def _quoted(path: str, *arguments: str) -> tuple[str, ...]:
    return tuple(f'"{path}" {text}'.rstrip() for text in arguments)


def _app(path: str, *arguments: str, parent: str = EXPLORER) -> Program:
    return Program(path, parent, _quoted(path, *(arguments or ("",))))


def _tool(name: str, *arguments: str, parent: str = CMD, folder: str = _S32) -> Program:
    return Program(
        f"{folder}{name}.exe", parent, tuple(f"{name} {text}".rstrip() for text in arguments or ("",))
    )


def _unix(path: str, *commands: str, parent: str = BASH) -> Program:
    return Program(path, parent, commands)


_OFFICE = _PF + r"Microsoft Office\root\Office16" + "\\"
OUTLOOK = _app(_OFFICE + "OUTLOOK.EXE", "", "/recycle", "/select outlook:Calendar")
EXCEL = _app(_OFFICE + "EXCEL.EXE", r'"\\{server}\{share}\{file}.xlsx"', "/dde", "/automation -Embedding")
WORD = _app(_OFFICE + "WINWORD.EXE", r'/n "\\{server}\{share}\{file}.docx"', "/Automation -Embedding")
SLIDES = _app(_OFFICE + "POWERPNT.EXE", r'"\\{server}\{share}\{file}.pptx"')
CHROME = _app(
    _PF + r"Google\Chrome\Application\chrome.exe", "", "--type=renderer --lang=en-US", "--type=utility"
)
EDGE = _app(_PX + r"Microsoft\Edge\Application\msedge.exe", "--single-argument {n}", "--type=renderer")
TEAMS = _app(_PF + r"WindowsApps\MSTeams\ms-teams.exe", "", "--system-initiated", parent=SVCHOST)
ACROBAT = _app(_PF + r"Adobe\Acrobat DC\Acrobat\Acrobat.exe", r'"C:\Users\{account}\Downloads\{file}.pdf"')
NOTEPAD = _app(_S32 + "notepad.exe", r"C:\Users\{account}\Documents\{file}.txt", "")
SEVENZIP = _app(
    _PF + r"7-Zip\7z.exe",
    r'a -tzip "C:\Users\{account}\Documents\{file}.zip" "C:\Users\{account}\Documents\{share}"',
    r'x "C:\Users\{account}\Downloads\{file}.zip"',
)
ZOOM = _app(_PF + r"Zoom\bin\Zoom.exe", "", '--url="zoommtg://nordwind.zoom.example/join?confno={n}"')

SHELL_WINDOWS = Program(CMD, EXPLORER, (f'"{CMD}"', "cmd.exe /c ver", r"cmd.exe /c C:\Tools\report.bat {n}"))
SCRIPTS = Program(
    POWERSHELL,
    EXPLORER,
    (
        "powershell.exe",
        r"powershell.exe -NoProfile -ExecutionPolicy Bypass -File C:\Tools\sync.ps1",
        "powershell.exe -NoProfile -Command Get-ChildItem -Path \\\\{server}\\{share} -Recurse",
    ),
)
COPYING = _tool(
    "robocopy",
    r"\\{server}\{share} C:\Users\{account}\Documents\{share} /E /R:1 /W:1",
    r"C:\Users\{account}\Documents\{share} E:\{share} /E",
    r"\\{server}\{share} D:\{share} /MIR /R:2",
)

DESKTOP = (OUTLOOK, CHROME, TEAMS, EXCEL, EDGE, WORD, ACROBAT, NOTEPAD, SLIDES, ZOOM)
"""What everybody with Windows uses."""

RECON_WINDOWS = (
    _tool("whoami", "", "/groups", "/all"),
    _tool("ipconfig", "/all", "/flushdns"),
    _tool(
        "net", r"use Z: \\{server}\{share}", "user {account} /domain", 'group "Domain Admins" /domain', "view"
    ),
    _tool("nltest", "/dclist:corp", "/domain_trusts", "/dsgetdc:corp"),
    _tool("tasklist", "/v", "/svc"),
    _tool("quser", "/server:{server}", ""),
    _tool("systeminfo", ""),
    _tool("nslookup", "{server}", "{host}"),
    _tool("netstat", "-ano"),
    _tool("ping", "{server}", "-n 2 {host}"),
)
"""Questions about a machine and its domain: help desk, logon scripts, and whoever is new on a machine."""

ADMIN_WINDOWS = (
    _app(
        _S32 + "mmc.exe",
        r'"C:\Windows\System32\dsa.msc"',
        r'"C:\Windows\System32\eventvwr.msc"',
        "services.msc",
    ),
    _app(_S32 + "mstsc.exe", "/v:{server}", "/v:{host}"),
    SCRIPTS,
    _tool(
        "PsExec64", r"\\{server} -s cmd.exe", r"\\{host} -h ipconfig /all", folder="C:\\Tools\\Sysinternals\\"
    ),
    _tool(
        "wmic", '/node:"{server}" os get caption', '/node:"{host}" process list brief', folder=_S32 + "wbem\\"
    ),
    _tool("sc", r"\\{server} query", r"\\{server} qc Spooler"),
    _tool(
        "schtasks",
        "/query /s {server}",
        r"/create /s {server} /tn Cleanup /tr C:\Tools\cleanup.bat /sc daily",
    ),
    _tool(
        "reg", r"query HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion", r"save HKLM\SYSTEM C:\Temp\system.hiv"
    ),
    _tool("ntdsutil", '"ac i ntds" "ifm" "create full C:\\Temp\\ifm{n}" q q'),
    COPYING,
    _tool("gpupdate", "/force", ""),
)
"""What administrators work with, on their own machine and on others."""

REMOTE_WINDOWS = (
    _tool("hostname", ""),
    _tool("ipconfig", "/all"),
    _tool("tasklist", "/svc", "/v"),
    _tool("quser", ""),
    _tool("sc", "query", "qc Spooler"),
    _tool("reg", r"query HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion"),
    _tool("net", "localgroup administrators", "session"),
    _tool("wevtutil", "qe System /c:20 /f:text /rd:true", folder=_S32),
    SHELL_WINDOWS,
)
"""What is run on a server once somebody is on it."""

FINANCE = (
    EXCEL,
    _app(_PX + r"SAP\FrontEnd\SAPgui\saplogon.exe", "", "-sysname=P01 -client=100"),
    _app(_PX + r"Elster\Formular\elsterformular.exe", ""),
    Program(
        CMD, EXCEL.path, (r"cmd.exe /c C:\Tools\report.bat {n}", r"cmd.exe /c C:\Tools\ledger_export.bat {n}")
    ),
    ACROBAT,
)
SALES = (
    _app(_PF + r"Fernblick CRM\crm.exe", "", "--open-account {n}"),
    SLIDES,
    ZOOM,
    _app(_PF + r"DocSign\Desktop\docsign.exe", r'"C:\Users\{account}\Documents\{file}.pdf"'),
)
MARKETING = (
    _app(_PF + r"Adobe\Adobe Photoshop 2026\Photoshop.exe", r'"C:\Users\{account}\Pictures\{file}.psd"'),
    _app(_PF + r"Adobe\Adobe InDesign 2026\InDesign.exe", ""),
    SEVENZIP,
    _app(_PF + r"ffmpeg\bin\ffmpeg.exe", "-i {file}.mov -crf 23 {file}.mp4", parent=CMD),
    SLIDES,
)
DISPATCH = (
    _app(_PF + r"Routenplan\Dispatch\dispatch.exe", "", "/board {n}"),
    EXCEL,
    _app(_PF + r"LabelWorks\labelprint.exe", "/queue {n}"),
)
DEVELOPER_WINDOWS = (
    _app(_PF + r"Microsoft VS Code\Code.exe", "", "--type=utility --no-sandbox"),
    _tool(
        "git", "pull --rebase", "fetch --all --prune", "push origin HEAD", "status", folder=_PF + "Git\\cmd\\"
    ),
    _tool(
        "python",
        "-m pytest -q",
        r"C:\src\{share}\tools\check.py",
        "-m pip install -r requirements.txt",
        folder="C:\\Python312\\",
    ),
    _tool("node", "server.js", r"node_modules\.bin\tsc --noEmit", folder=_PF + "nodejs\\"),
    _tool(
        "docker",
        "compose up -d",
        "ps",
        "build -t {share}:{n} .",
        folder=_PF + "Docker\\Docker\\resources\\bin\\",
    ),
    _tool("ssh", "{account}@{server}", folder=_S32 + "OpenSSH\\"),
    _tool(
        "aws", "s3 ls", "sso login --profile dev", "logs tail /app/{share}", folder=_PF + "Amazon\\AWSCLIV2\\"
    ),
    SCRIPTS,
    SEVENZIP,
)
DEVELOPER_LINUX = (
    _unix(
        "/usr/bin/git", "git pull --rebase", "git fetch --all --prune", "git push origin HEAD", "git status"
    ),
    _unix(
        "/usr/bin/python3",
        "python3 -m pytest -q",
        "python3 tools/check.py",
        "python3 -m pip install -r requirements.txt",
    ),
    _unix("/usr/bin/docker", "docker compose up -d", "docker ps", "docker build -t {share}:{n} ."),
    _unix("/usr/bin/ssh", "ssh {server}", "ssh {account}@{server}"),
    _unix(
        "/usr/local/bin/kubectl",
        "kubectl get pods -n {share}",
        "kubectl logs -f deploy/{share}",
        "kubectl apply -f k8s/",
    ),
    _unix("/usr/bin/make", "make test", "make build", "make"),
    _unix("/usr/local/bin/aws", "aws s3 ls", "aws sso login --profile dev", "aws logs tail /app/{share}"),
    _unix("/usr/bin/code", "/usr/bin/code --unity-launch", "/usr/bin/code ."),
    _unix(
        "/usr/bin/curl",
        "curl -s http://{server}:8080/health",
        "curl -sI https://registry.nordwind.example/v2/",
    ),
    _unix("/usr/bin/tar", "tar czf /tmp/{file}.tgz /srv/{share}", "tar xzf {file}.tgz"),
    _unix("/usr/bin/psql", "psql -h {server} {share}", "psql -h {server} -c 'select 1'"),
)
REMOTE_LINUX = (
    _unix("/usr/bin/ls", "ls -la", "ls -l /srv/{share}"),
    _unix("/usr/bin/journalctl", "journalctl -u {share} -n 200", "journalctl -f"),
    _unix("/usr/bin/systemctl", "systemctl status {share}", "systemctl restart {share}"),
    _unix("/usr/bin/tail", "tail -f /var/log/{share}.log"),
    _unix("/usr/bin/sudo", "sudo -i", "sudo systemctl restart {share}"),
    _unix("/usr/bin/df", "df -h"),
    _unix("/usr/bin/ps", "ps aux"),
    _unix("/usr/bin/id", "id"),
    _unix("/usr/bin/ss", "ss -tlnp"),
    _unix("/usr/bin/cat", "cat /etc/hosts", "cat /srv/{share}/config.yml"),
    _unix("/usr/bin/tar", "tar czf /tmp/{file}.tgz /srv/{share}"),
)

MACHINE_WINDOWS = (
    Program(
        SVCHOST, SERVICES, (f"{SVCHOST} -k netsvcs -p -s Schedule", f"{SVCHOST} -k netsvcs -p -s wuauserv")
    ),
    _tool("taskhostw", "Install $(Arg0)", "", parent=SVCHOST),
    _tool("conhost", "0xffffffff -ForceV1", parent=CMD),
    _tool("backgroundTaskHost", "-ServerName:CortanaUI.AppX", parent=SVCHOST),
    _tool("SearchProtocolHost", "Global\\UsGthrFltPipeMssGthrPipe{n}_", parent=_S32 + "SearchIndexer.exe"),
    _tool("MpCmdRun", "SignatureUpdate -ScheduleJob", parent=SVCHOST, folder=_PF + "Windows Defender\\"),
    _tool("gpupdate", "/target:computer", parent=SVCHOST),
    _tool("wevtutil", "qe System /c:20 /f:text /rd:true", parent=SVCHOST),
)
MACHINE_LINUX = (
    _unix("/usr/bin/run-parts", "run-parts --report /etc/cron.hourly", parent=CRON),
    _unix("/usr/sbin/logrotate", "/usr/sbin/logrotate /etc/logrotate.conf", parent=SYSTEMD),
    _unix("/usr/bin/apt-get", "apt-get -qq update", parent=SYSTEMD),
    _unix("/usr/bin/python3", "/usr/bin/python3 /opt/metrics/agent.py", parent=SYSTEMD),
    _unix("/usr/bin/find", "find /tmp -mtime +7 -delete", parent=CRON),
)
LOGON_SCRIPT = (
    Program(CMD, USERINIT, (r"cmd.exe /c \\corp.nordwind.example\netlogon\logon.bat",)),
    RECON_WINDOWS[0],
    RECON_WINDOWS[2],
    _tool("gpupdate", ""),
)
"""Runs at every logon to a Windows machine."""
ROLLOUTS = (
    _app(_PF + r"Klarsicht\Agent\klarsicht-agent.exe", "--service", parent=SERVICES),
    _app(_PF + r"Passkasten\passkasten.exe", "--minimized"),
    _app(_PF + r"Druckwerk\Client\dwclient.exe", "/tray"),
    _app(_PF + r"Sprechstube\sprechstube.exe", ""),
)
"""Programs that arrive during a simulation."""
INSTALLER = _tool("msiexec", "/i \\\\{server}\\{share}\\{file}.msi /qn", parent=SERVICES)

CERTUTIL = _tool(
    "certutil",
    r"-hashfile C:\Users\{account}\Downloads\{file}.zip SHA256",
    r"-urlcache -split -f https://{domain}/{file}.cab C:\Temp\{file}.cab",
    "-store My",
)
BITSADMIN = _tool(
    "bitsadmin", r"/transfer {file} https://{domain}/{file}.cab C:\Temp\{file}.cab", "/list /allusers"
)
RUNDLL32 = _tool(
    "rundll32",
    r"printui.dll,PrintUIEntry /in /n \\PRN-01\{share}",
    r"C:\Temp\{share}.dll,Start",
    "shell32.dll,Control_RunDLL",
)
REGSVR32 = _tool("regsvr32", r"/s C:\Temp\{share}.dll", r"/s /u C:\Temp\{share}.dll")
MSHTA = _tool("mshta", "http://{server}/{share}/form.hta", "https://{domain}/form.hta")
ENCODED = Program(
    POWERSHELL,
    CMD,
    (
        "powershell.exe -NoProfile -EncodedCommand {blob}",
        "powershell.exe -NoProfile -Command Invoke-WebRequest https://{domain}/{file}.cab"
        r" -OutFile C:\Temp\{file}.cab",
    ),
)
NATIVE_WINDOWS = (CERTUTIL, RUNDLL32, ENCODED, REGSVR32, BITSADMIN, MSHTA)
"""Signed programs of Windows that load and run other code: for installers, printers, old forms, intruders."""
NATIVE_PARENTS = (CMD, POWERSHELL, EXPLORER, EXCEL.path, WORD.path, OUTLOOK.path)
"""What starts them."""
SHADOWS = _tool("vssadmin", "list shadows", "delete shadows /for=D: /oldest /quiet", "list shadowstorage")
"""Snapshots of a volume: listed and thinned out by backups and administrators."""

LOOKED_UP = ("cloudfront.net", "s.sophosxl.net", "avqs.mcafee.com", "googlevideo.com", "akadns.net")
"""Domains under which content networks and virus scanners ask for long names that look random."""

MAIL_CHANGES = ("New-InboxRule", "Set-InboxRule", "UpdateInboxRules", "Set-Mailbox")
"""Changes to the way a mailbox treats its mail: rules and forwarding, commonest first."""
DIRECTORY_CHANGES = (
    "Add member to group",
    "Reset user password",
    "Update user",
    "Add member to role",
    "Consent to application",
    "Add service principal credentials",
)
"""What administrators change in the directory, commonest first."""
NEW_FACTOR = "User registered security info"

_GROUPS = ("sg-web", "sg-app", "sg-db")
_USERS = ("ci", "export", "partner", "reporting")
CLOUD_CHANGES = (
    CloudCall("ec2.amazonaws.com", "AuthorizeSecurityGroupIngress", 1, _GROUPS),
    CloudCall("s3.amazonaws.com", "PutBucketPolicy", 3, CLOUD_CALLS[0].resources),
    CloudCall("iam.amazonaws.com", "AttachUserPolicy", 3, _USERS),
    CloudCall("ec2.amazonaws.com", "CreateSnapshot", 1, ("vol-orders", "vol-billing", "vol-ml")),
    CloudCall("s3.amazonaws.com", "DeletePublicAccessBlock", 4, CLOUD_CALLS[0].resources),
    CloudCall("iam.amazonaws.com", "CreateUser", 1, _USERS),
    CloudCall("ec2.amazonaws.com", "ModifySnapshotAttribute", 3, ("snap-orders", "snap-billing", "snap-ml")),
    CloudCall("cloudtrail.amazonaws.com", "UpdateTrail", 3, ("org-trail", "data-trail")),
    CloudCall("iam.amazonaws.com", "CreateLoginProfile", 1, _USERS),
    CloudCall("cloudtrail.amazonaws.com", "StopLogging", 3, ("data-trail", "org-trail")),
    CloudCall("rds.amazonaws.com", "ModifyDBInstance", 3, ("orders", "billing")),
)
"""Changes of cloud infrastructure that runs of infrastructure as code and operators make, commonest first."""
CLOUD_QUESTIONS = tuple(
    call
    for call in CLOUD_CALLS
    if call.operation.startswith(("List", "Describe", "Get", "Filter")) and call.operation != "GetObject"
)
"""Calls that ask what there is."""
