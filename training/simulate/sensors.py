"""Sensors of machines, networks and the cloud, and all sensors together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import places
from training.simulate.records import (
    AUDITD,
    AWS,
    ENTRA,
    FAILURE,
    M365,
    OPEN,
    PROXY,
    RESOLVER,
    SUCCESS,
    SYSMON,
    SYSTEM_USERS,
    WINDOWS,
    ZEEK,
    Client,
    Recorder,
    base_name,
    cloud_user,
    device,
    endpoint,
    file_of,
    full_name,
    kind_of,
    quoted,
    size_of,
    traffic,
    user_of,
)
from training.simulate.sensors_logon import LogonSensors

if TYPE_CHECKING:
    from training.simulate.organisation import Account, Host

OPENED, OVERWRITTEN = 2, 5
"""OCSF activities of files of shares (SMB)."""
UPLOADED, DOWNLOADED, UPDATED, SHARED = 1, 2, 3, 12
"""OCSF activities of files in cloud libraries."""


class MachineSensors(Recorder):
    """What happens on a machine."""

    def launch(
        self, time_ms: float, account: Account | None, host: Host, path: str, parent: str, command: str
    ) -> None:
        """A process that starts; without an account it is the machine's own."""
        user = user_of(account, host.linux) if account is not None else SYSTEM_USERS[host.linux]
        pid = (int(time_ms) >> 7) % 7919 * 4 + 1200
        self.add(
            time_ms,
            kind_of(AUDITD if host.linux else SYSMON, 1007, 1, SUCCESS),
            f',"actor":{{"user":{user}}},"process":{{"name":{quoted(base_name(path))},"pid":{pid},'
            f'"file":{file_of(path)},"cmd_line":{quoted(command)},"user":{user},'
            f'"parent_process":{{"name":{quoted(base_name(parent))},"file":{file_of(parent)}}}}}{device(host)}',
        )

    def file(self, time_ms: float, account: Account, host: Host, path: str, activity: int) -> None:
        """A file on a machine's own disk: 1 created, 2 read, 3 updated, 4 deleted."""
        self.add(
            time_ms,
            kind_of(AUDITD if host.linux else SYSMON, 1001, activity, SUCCESS),
            f',"actor":{{"user":{user_of(account, host.linux)}}},"file":{file_of(path)}{device(host)}',
        )

    def scheduled_job(self, time_ms: float, account: Account, host: Host, name: str, command: str) -> None:
        """A scheduled task that is made."""
        self.add(
            time_ms,
            kind_of(WINDOWS, 1006, 1, SUCCESS),
            f',"actor":{{"user":{user_of(account, False)}}},'
            f'"job":{{"name":{quoted(name)},"cmd_line":{quoted(command)},"run_state_id":1}}{device(host)}',
        )


class NetworkSensors(Recorder):
    """What crosses a network."""

    def dns(
        self,
        time_ms: float,
        account: Account | None,
        host: Host,
        source_ip: str,
        name: str,
        *,
        found: bool = True,
        record: str = "A",
    ) -> None:
        """A look-up of a name: Windows says who asked, for Linux the resolver says which machine.

        `record` is the type of record asked for; an answer that is not `found` has the code NXDOMAIN.
        """
        detail = (
            ',"rcode":"NoError","rcode_id":0'
            if found
            else ',"status_detail":"NXDOMAIN","rcode":"NXDomain","rcode_id":3'
        )
        query = f'{detail},"query":{{"hostname":{quoted(name)},"type":"{record}","class":"IN"}}'
        if host.linux:
            product, rest = (
                RESOLVER,
                f',"src_endpoint":{{"ip":"{source_ip}","hostname":{quoted(full_name(host))}}}',
            )
        else:
            user = user_of(account, False) if account is not None else SYSTEM_USERS[False]
            product, rest = SYSMON, f',"actor":{{"user":{user}}}{device(host)}'
        self.add(time_ms, kind_of(product, 4003, 1, SUCCESS if found else FAILURE), query + rest)

    def web(
        self,
        time_ms: float,
        account: Account,
        host: Host,
        client: Client,
        domain: str,
        *,
        sent: bool = False,
        size: int = 0,
    ) -> None:
        """A request through the proxy; `size` is the number of bytes of the answer, or of what was sent."""
        bytes_in, bytes_out = (900, size) if sent else (size, 640)
        self.add(
            time_ms,
            kind_of(PROXY, 4002, 6 if sent else 3, SUCCESS),
            f',"actor":{{"user":{user_of(account, host.linux)}}},'
            f'"http_request":{{"http_method":"{"POST" if sent else "GET"}",'
            f'"url":{{"hostname":{quoted(domain)},"scheme":"https","path":"/"}},'
            f'"user_agent":{quoted(client.user_agent)}}},'
            f'"http_response":{{"code":200}}{traffic(bytes_in, bytes_out)},'
            f'"src_endpoint":{{"ip":"{client.ip}"}},'
            f'"dst_endpoint":{{"hostname":{quoted(domain)},"port":443}}{device(host)}',
        )

    def smb(
        self,
        time_ms: float,
        account: Account,
        server: Host,
        source_ip: str,
        share: str,
        path: str,
        activity: int,
        size: int = 0,
    ) -> None:
        """A file of a share: 2 opened, 3 created, 5 overwritten; `size` in bytes, 0 for its usual one."""
        size = size or size_of(path)
        received, sent = (size, 700) if activity == OPENED else (600, size)
        self.add(
            time_ms,
            kind_of(ZEEK, 4006, activity, SUCCESS),
            f',"actor":{{"user":{user_of(account, False)}}},'
            f'"share":{quoted(f"//{server.name}/{share}")},"share_type_id":1,'
            f'"file":{file_of(path)},"src_endpoint":{{"ip":"{source_ip}"}},'
            f'"dst_endpoint":{endpoint(server)[:-1]},"port":445}},'
            f'"connection_info":{{"protocol_name":"tcp","protocol_num":6,"direction_id":3}}'
            f"{traffic(received, sent)}",
        )

    def connection(
        self,
        time_ms: float,
        source_ip: str,
        target: Host,
        port: int,
        activity: int,
        *,
        received: int = 0,
        sent: int = 0,
    ) -> None:
        """A TCP connection inside, opened or refused; bytes by direction, 0 for something usual."""
        if activity == OPEN:
            name = f"{int(time_ms)} {source_ip} {port}"
            received, sent = received or size_of(name, 14.0, 3.0), sent or size_of(name[::-1], 12.0, 2.5)
        else:
            received, sent = 40, 60
        self.add(
            time_ms,
            kind_of(ZEEK, 4001, activity, SUCCESS if activity == OPEN else FAILURE),
            f',"src_endpoint":{{"ip":"{source_ip}"}},"dst_endpoint":{endpoint(target)[:-1]},"port":{port}}},'
            f'"connection_info":{{"protocol_name":"tcp","protocol_num":6,"direction_id":3}}'
            f"{traffic(received, sent)}",
        )


class CloudSensors(Recorder):
    """What services in the cloud log."""

    def hosted_file(
        self, time_ms: float, account: Account, client: Client, library: str, path: str, activity: int
    ) -> None:
        """A file in a cloud library: 1 uploaded, 2 downloaded, 3 updated, 12 shared, 14 opened."""
        if activity == SHARED:
            moved = ""
        else:
            size = size_of(path)
            moved = traffic(800, size) if activity in (UPLOADED, UPDATED) else traffic(size, 700)
        url = f"https://{places.COMPANY}.sharepoint.com/sites/{library}/Shared Documents/{path}"
        self.add(
            time_ms,
            kind_of(M365, 6006, activity, SUCCESS),
            f',"actor":{{"user":{cloud_user(account)},"app_name":"SharePoint"}},"file":{file_of(url)},'
            f'"cloud":{{"provider":"Azure"}},"src_endpoint":{{"ip":"{client.ip}"}},'
            f'"http_request":{{"user_agent":{quoted(client.user_agent)}}}{moved}',
        )

    def mailbox(self, time_ms: float, account: Account, client: Client, operation: str) -> None:
        """An operation on one's own mailbox."""
        self.add(
            time_ms,
            kind_of(M365, 6003, 1 if operation.startswith("New-") else 2, SUCCESS),
            f',"actor":{{"user":{cloud_user(account)}}},'
            f'"api":{{"operation":{quoted(operation)},"service":{{"name":"Exchange"}}}},'
            f'"cloud":{{"provider":"Azure"}},"src_endpoint":{{"ip":"{client.ip}"}},'
            f'"http_request":{{"user_agent":{quoted(client.user_agent)}}}',
        )

    def directory(
        self, time_ms: float, account: Account, client: Client, operation: str, target: str
    ) -> None:
        """A change in the identity provider's directory: whose, by whom, from where."""
        self.add(
            time_ms,
            kind_of(ENTRA, 6003, 3, SUCCESS),
            f',"actor":{{"user":{cloud_user(account)}}},'
            f'"api":{{"operation":{quoted(operation)},"service":{{"name":"Core Directory"}}}},'
            f'"resources":[{{"name":{quoted(target)}}}],'
            f'"cloud":{{"provider":"Azure"}},"src_endpoint":{{"ip":"{client.ip}"}},'
            f'"http_request":{{"user_agent":{quoted(client.user_agent)}}}',
        )

    def api(
        self,
        time_ms: float,
        account: Account,
        client: Client,
        call: places.CloudCall,
        resource: str,
        cloud_account: str,
        region: str,
        *,
        denied: bool = False,
    ) -> None:
        """A call to the cloud provider's API by a signed-in person or a service."""
        name = f"{account.name}@{places.MAIL_DOMAIN}" if account.type_id < 3 else account.name
        detail = ',"status_detail":"AccessDenied"' if denied else ""
        moved = ""
        if call.operation in ("GetObject", "PutObject") and not denied:
            size = size_of(f"{int(time_ms)} {resource}", 19.0, 3.0)
            moved = traffic(size, 500) if call.operation == "GetObject" else traffic(400, size)
        error = ',"response":{"code":403,"error":"AccessDenied"}' if denied else ',"response":{"code":200}'
        self.add(
            time_ms,
            kind_of(AWS, 6003, call.activity, FAILURE if denied else SUCCESS),
            f'{detail},"actor":{{"user":{{"name":{quoted(name)},"uid":"AROA{account.object_id[:8].upper()}:{name}",'
            f'"type":"AssumedRole","type_id":{account.type_id}}}}},'
            f'"api":{{"operation":{quoted(call.operation)},"service":{{"name":{quoted(call.service)}}}{error}}},'
            f'"resources":[{{"name":{quoted(resource)}}}],'
            f'"cloud":{{"provider":"AWS","region":"{region}","account":{{"uid":"{cloud_account}"}}}},'
            f'"src_endpoint":{{"ip":"{client.ip}"}},"http_request":{{"user_agent":{quoted(client.user_agent)}}}{moved}',
        )


class Sensors(LogonSensors, MachineSensors, NetworkSensors, CloudSensors):
    """All sensors of an organisation."""
