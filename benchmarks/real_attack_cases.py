"""What each public recording is about: who acts in it, where, and who merely stands by.

Decided from the source's title and description (`otrf/index.csv`) and from the records themselves, by three
rules, and written down before anything was scored:

1. The actor is the account under which the tool named by the title runs (process creation, PowerShell, WMI
   or logon records name it; machine and system accounts are no actors).
2. The host is the machine on which that happens; where code is brought to another machine by service, WMI or
   remote PowerShell it is that other machine, because most records of the attack are there.
3. A bystander is a machine of the same domain that the description gives no part and whose records name
   neither the tool nor the actor's logon. Domain controllers are never taken: all attacks in a domain ask
   them something.

File names start with the tactic; none of them is shown to any method.
"""

from __future__ import annotations

from typing import NamedTuple

DOMAIN, ALONE = "domain", "alone"
"""The organisations that the recordings' names are put into: a domain's, and stand-alone machines'."""


class Case(NamedTuple):
    """A recording with its ground truth. actor: user; host: where; why: in which records it shows."""

    file: str
    organisation: str
    actor: str
    host: str
    bystanders: tuple[str, ...]
    why: str


def _domain(file: str, actor: str, host: str, bystanders: str, why: str) -> Case:
    return Case(f"otrf/{file}.ndjson.gz", DOMAIN, actor, host, tuple(bystanders.split()), why)


def _alone(file: str, why: str, actor: str = "wardog", host: str = "workstation5") -> Case:
    return Case(f"otrf/{file}.ndjson.gz", ALONE, actor, host, (), why)


CASES = (
    _domain("collection__msf_record_mic", "sbeavers", "workstation6", "workstation5",
            "the microphone's consent key is written in the registry hive of this user's session"),
    _alone("credential_access__cmd_psexec_lsa_secrets_dump", "starts PsExec, which starts reg save"),
    _domain("credential_access__empire_dcsync_dcerpc_drsuapi_DsGetNCChanges", "pgustavo", "workstation5",
            "workstation6", "PowerShell of the agent and the replication logon at the controller"),
    _domain("credential_access__empire_shell_reg_dump_sam", "pgustavo", "workstation5", "workstation6",
            "reg.exe save HKLM\\sam"),
    _domain("credential_access__empire_shell_rubeus_asktgt_ptt", "wardog", "workstation6", "workstation5",
            "Rubeus asks for a ticket of another user"),
    _alone("credential_access__psh_input_capture_promptforcreds", "PowerShell shows a credential prompt"),
    _alone("defense_evasion__cmd_bitsadmin_download_psh_script", "bitsadmin fetches a script"),
    _alone("defense_evasion__cmd_mshta_vbscript_execute_psh", "mshta starts PowerShell"),
    _alone("defense_evasion__cmd_netsh_fw_mod_open_ports", "netsh opens a port"),
    _domain("defense_evasion__covenant_installutil", "pgustavo", "workstation5", "workstation6",
            "cmd starts InstallUtil"),
    _domain("defense_evasion__empire_psinject_PEinjection", "pgustavo", "workstation5", "workstation6",
            "PowerShell of the agent writes into another process"),
    _alone("defense_evasion__reg_disable_eventlog_service_startuptype_modification_via_registry",
           "payload.exe runs elevated as this user and writes the service's key", "pedro", "pedro01"),
    _alone("discovery__cmd_seatbelt_group_user", "starts Seatbelt"),
    _domain("discovery__empire_find_localadmin_smb_svcctl_OpenSCManager", "pgustavo", "workstation5", "",
            "PowerShell of the agent tries the service control manager of the other machines"),
    _domain("discovery__empire_shell_rpc_samr_smb_group_domain_admins_standard_user", "sbeavers",
            "workstation6", "workstation5", "net group \"Domain Admins\" /domain"),
    _domain("execution__empire_launcher_vbs", "pgustavo", "workstation5", "workstation6",
            "WScript starts launcher.vbs, which starts PowerShell"),
    _alone("execution__psh_python_webserver", "netsh and python -m http.server"),
    _domain("lateral_movement__covenant_psremoting_command", "pgustavo", "workstation6", "",
            "logons and wsmprovhost.exe on the second machine"),
    _domain("lateral_movement__covenant_sharpwmi_create_dcerpc_wmi", "pgustavo", "workstation6", "",
            "logons and GruntHTTP2.exe by WMI on the second machine"),
    _domain("lateral_movement__empire_psexec_dcerpc_tcp_svcctl", "pgustavo", "workstation6", "",
            "logon and a service that starts PowerShell on the second machine"),
    _domain("lateral_movement__mimikatz_CVE-2020-1472_Unauthenticated_NetrServerAuthenticate2", "pgustavo",
            "workstation5", "workstation6", "cmd starts mimikatz against the controller"),
    _domain("lateral_movement__purplesharp_ad_playbook_I", "pgustavo", "workstation5", "",
            "PurpleSharp.exe guesses passwords, asks for tickets and goes to three machines"),
    _domain("lateral_movement__schtask_create", "pgustavo", "workstation5", "",
            "schtasks /create, and the logon at the second machine"),
    _domain("persistence__empire_persistence_registry_modification_run_keys_elevated_user", "pgustavo",
            "workstation5", "workstation6", "PowerShell of the agent writes a Run key"),
    _domain("persistence__empire_schtasks_creation_standard_user", "pgustavo", "workstation5",
            "workstation6", "schtasks /Create of the agent"),
    _alone("privilege_escalation__cmd_service_mod_fax", "sc config changes the Fax service"),
    _domain("privilege_escalation__empire_uac_shellapi_fodhelper", "pgustavo", "workstation5",
            "workstation6", "fodhelper.exe starts PowerShell"),
)  # fmt: skip
"""The 27 Windows recordings; every one has an account that acts, so none is left out."""

ADDRESSES = {
    DOMAIN: {
        "workstation5": "172.18.39.5",
        "workstation6": "172.18.39.6",
        "workstation7": "172.18.39.7",
        "mordordc": "172.18.38.5",
    },
    ALONE: {"workstation5": "192.168.2.5", "pedro01": "192.168.56.43"},
}
"""Addresses of the recorded machines, as their own connections and logons have them."""

HOME_ADDRESSES = (
    "192.168.1.115",
    "192.168.1.114",
    "fd2d:ab8c:225:0:81d3:fd3e:7f62:aec8",
    "fe80::5dd3:6bb3:7720:1e83",
    "fe80::e8ff:97da:2f7f:abb3",
)
"""Busiest senders of the NjRAT capture, known by address alone; each gets a desk of the organisation."""
