"""Sensors of sign-ins: Windows, SSH, VPN, the identity provider, changes of accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate.records import (
    BAD_PASSWORD,
    CLOSE,
    ENTRA,
    FAILURE,
    LOGON_NAMES,
    NETWORK,
    PROTOCOLS,
    REMOTE,
    SSHD,
    SUCCESS,
    VPN,
    WINDOWS,
    Client,
    Recorder,
    cloud_user,
    device,
    flag,
    full_name,
    kind_of,
    quoted,
    size_of,
    traffic,
    user_of,
)

if TYPE_CHECKING:
    from training.simulate.organisation import Account, Host


class LogonSensors(Recorder):
    """Who signs in where."""

    def logon(
        self,
        time_ms: float,
        account: Account,
        host: Host,
        logon_type: int,
        *,
        source: Host | None = None,
        source_ip: str = "",
        protocol: str = "Kerberos",
        failed: bool = False,
    ) -> None:
        """A logon to a Windows machine; `source_ip` is the source's address of the day, if not its own."""
        origin = source or host
        endpoint = f'{{"ip":"{source_ip or origin.ip}","hostname":{quoted(full_name(origin))}}}'
        detail = f',"status_detail":"{BAD_PASSWORD}"' if failed else ""
        remote = flag(logon_type in (NETWORK, REMOTE))
        self.add(
            time_ms,
            kind_of(WINDOWS, 3002, 1, FAILURE if failed else SUCCESS),
            f'{detail},"auth_protocol":"{protocol}","auth_protocol_id":{PROTOCOLS[protocol]},'
            f'"logon_type":"{LOGON_NAMES[logon_type]}","logon_type_id":{logon_type},"is_remote":{remote},'
            f'"user":{user_of(account, False)},"src_endpoint":{endpoint}{device(host)}',
        )

    def logoff(self, time_ms: float, account: Account, host: Host, logon_type: int) -> None:
        """The end of a Windows session."""
        self.add(
            time_ms,
            kind_of(WINDOWS, 3002, 2, SUCCESS),
            f',"logon_type":"{LOGON_NAMES[logon_type]}","logon_type_id":{logon_type},'
            f'"user":{user_of(account, False)}{device(host)}',
        )

    def ticket(
        self, time_ms: float, account: Account, controller: Host, service: str, source_ip: str
    ) -> None:
        """A Kerberos service ticket, as a domain controller logs it."""
        self.add(
            time_ms,
            kind_of(WINDOWS, 3002, 4, SUCCESS),
            f',"auth_protocol":"Kerberos","auth_protocol_id":2,"service":{{"name":{quoted(service)}}},'
            f'"user":{user_of(account, False)},"src_endpoint":{{"ip":"{source_ip}"}}{device(controller)}',
        )

    def ssh(
        self,
        time_ms: float,
        account: Account,
        host: Host,
        source_ip: str,
        *,
        key: bool = True,
        failed: bool = False,
    ) -> None:
        """A logon by SSH, as the server's daemon logs it."""
        protocol = "Public Key" if key else "Password"
        detail = f',"status_detail":"{BAD_PASSWORD}"' if failed else ""
        self.add(
            time_ms,
            kind_of(SSHD, 3002, 1, FAILURE if failed else SUCCESS),
            f'{detail},"auth_protocol":"{protocol}","auth_protocol_id":99,"logon_type":"Network","logon_type_id":3,'
            f'"is_remote":true,"service":{{"name":"sshd"}},"user":{user_of(account, True)},'
            f'"src_endpoint":{{"ip":"{source_ip}"}}{device(host)}',
        )

    def vpn(self, time_ms: float, name: str, gateway: Host, public_ip: str, *, failed: bool = False) -> None:
        """A sign-in at the VPN gateway by whatever name was typed."""
        detail = f',"status_detail":"{BAD_PASSWORD}"' if failed else ""
        self.add(
            time_ms,
            kind_of(VPN, 3002, 1, FAILURE if failed else SUCCESS),
            f'{detail},"auth_protocol":"RADIUS","auth_protocol_id":10,"is_remote":true,"service":{{"name":"vpn"}},'
            f'"user":{{"name":{quoted(name)},"type_id":1}},"src_endpoint":{{"ip":"{public_ip}"}}{device(gateway)}',
        )

    def tunnel(
        self, time_ms: float, account: Account, gateway: Host, public_ip: str, inside_ip: str, activity: int
    ) -> None:
        """A VPN tunnel that opens, or closes and says how much went through it."""
        name = f"{int(time_ms)} {inside_ip}"
        moved = traffic(size_of(name, 27.0, 2.0), size_of(name[::-1], 24.0, 2.0)) if activity == CLOSE else ""
        self.add(
            time_ms,
            kind_of(VPN, 4014, activity, SUCCESS),
            f',"protocol_name":"OpenVPN","actor":{{"user":{{"name":{quoted(account.name)},"type_id":1}}}},'
            f'"src_endpoint":{{"ip":"{public_ip}"}},"tunnel_interface":{{"ip":"{inside_ip}"}}{moved}{device(gateway)}',
        )

    def cloud_sign_in(
        self,
        time_ms: float,
        account: Account,
        app: str,
        client: Client,
        *,
        mfa: bool = True,
        failure: str = "",
    ) -> None:
        """A sign-in at the identity provider; `failure` is its error, empty for success."""
        detail = f',"status_detail":"{failure}"' if failure else ""
        self.add(
            time_ms,
            kind_of(ENTRA, 3002, 1, FAILURE if failure else SUCCESS),
            f'{detail},"auth_protocol":"OAUTH 2.0","auth_protocol_id":6,"is_mfa":{flag(mfa)},'
            f'"is_remote":true,"service":{{"name":{quoted(app)}}},"user":{cloud_user(account)},'
            f'"cloud":{{"provider":"Azure"}},"src_endpoint":{{"ip":"{client.ip}"}},'
            f'"http_request":{{"user_agent":{quoted(client.user_agent)}}}',
        )

    def password_change(
        self, time_ms: float, actor: Account, target: Account, controller: Host, *, reset: bool
    ) -> None:
        """A changed (one's own) or reset (somebody else's) password."""
        self.add(
            time_ms,
            kind_of(WINDOWS, 3001, 4 if reset else 3, SUCCESS),
            f',"actor":{{"user":{user_of(actor, False)}}},'
            f'"user":{user_of(target, False)}{device(controller)}',
        )
