"""Where fuzzing begins: records of each source and requests of each protocol, as they are in the field."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import zstandard

_STAMP = "2026-01-05T08:00:00.250Z"

_OCSF = {
    "class_uid": 3002,
    "activity_id": 1,
    "status_id": 1,
    "time": 1767600000250,
    "metadata": {"uid": "u1", "version": "1.8.0", "product": {"name": "x"}},
    "user": {"name": "ann", "domain": "CORP", "uid": "S-1-5-21-1"},
    "device": {"hostname": "ws1", "ip": "10.0.0.1"},
    "src_endpoint": {"ip": "2001:db8::1", "port": 5},
    "dst_endpoint": {"hostname": "db1"},
    "process": {"name": "a.exe", "cmd_line": 'a.exe -x "1"', "parent_process": {"name": "b"}},
    "file": {"path": "/home/ann/x", "name": "x"},
    "api": {"operation": "Get", "service": {"name": "s3"}},
    "http_request": {"url": {"url_string": "http://x.example/a?b"}, "user_agent": "curl"},
    "traffic": {"bytes_in": 5, "bytes_out": 7},
    "auth_protocol": "NTLM",
    "logon_type_id": 3,
}
_WINDOWS = {
    "@timestamp": _STAMP,
    "winlog": {
        "channel": "Security",
        "event_id": "4624",
        "computer_name": "ws1.corp.example",
        "record_id": 7,
        "provider_name": "Microsoft-Windows-Security-Auditing",
        "event_data": {
            "TargetUserName": "ann",
            "TargetDomainName": "CORP",
            "LogonType": "3",
            "IpAddress": "10.0.0.5",
            "TargetUserSid": "S-1-5-21-1",
            "ProcessName": "C:\\Windows\\a.exe",
            "SubjectUserName": "-",
        },
    },
    "host": {"name": "ws1"},
    "event": {"code": "4624"},
}
_SYSMON = {
    "EventTime": "2026-01-05 08:00:00",
    "EventID": 1,
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "Hostname": "ws1",
    "Image": "C:\\a.exe",
    "CommandLine": "a -e aGk=",
    "User": "CORP\\ann",
    "ParentImage": "C:\\b.exe",
    "UtcTime": "2026-01-05 08:00:00.1",
    "ProcessGuid": "{1}",
    "ProcessId": "1",
}
_EVTX = {
    "Event": {
        "System": {
            "Provider": {"#attributes": {"Name": "Microsoft-Windows-Security-Auditing"}},
            "EventID": 4688,
            "TimeCreated": {"#attributes": {"SystemTime": _STAMP}},
            "Channel": "Security",
            "Computer": "ws1",
            "EventRecordID": 7,
        },
        "EventData": {"SubjectUserName": "ann", "NewProcessName": "C:\\a.exe", "CommandLine": "a"},
    }
}

_JSON: dict[str, list[Any]] = {
    "ocsf": [_OCSF, {"class_uid": 1007, "time": 1, "process": {"name": "x"}}],
    "ecs": [
        {
            "@timestamp": _STAMP,
            "event": {"category": ["authentication"], "outcome": "success", "id": "1"},
            "user": {"name": "ann"},
            "host": {"name": "ws1"},
            "source": {"ip": "10.0.0.1", "bytes": 4},
            "process": {"command_line": "a b", "args": ["a", "b"]},
            "ecs": {"version": "8.0"},
        },
        {
            "@timestamp": _STAMP,
            "event.category": "network",
            "source.ip": "10.0.0.1",
            "url.full": "http://a/b",
        },
    ],
    "windows": [_WINDOWS, _SYSMON],
    "evtx": [_EVTX],
    "cloudtrail": [
        {
            "eventVersion": "1.08",
            "eventTime": "2026-01-05T08:00:00Z",
            "eventSource": "iam.amazonaws.com",
            "eventName": "ConsoleLogin",
            "awsRegion": "eu-west-1",
            "sourceIPAddress": "203.0.113.9",
            "userIdentity": {
                "type": "AssumedRole",
                "arn": "arn:aws:sts::1:assumed-role/r/s",
                "principalId": "A:s",
                "sessionContext": {"sessionIssuer": {"userName": "r"}},
            },
            "requestParameters": {"bucketName": "b"},
            "responseElements": {"ConsoleLogin": "Success"},
            "eventID": "e1",
            "additionalEventData": {"bytesTransferredOut": 5},
        },
    ],
    "entra": [
        {
            "time": _STAMP,
            "category": "SignInLogs",
            "operationName": "Sign-in activity",
            "resultType": "0",
            "properties": {
                "id": "1",
                "createdDateTime": _STAMP,
                "userPrincipalName": "ann@corp.example",
                "ipAddress": "203.0.113.9",
                "status": {"errorCode": 0},
                "appDisplayName": "Portal",
                "location": {"geoCoordinates": {"latitude": 1.0}},
                "deviceDetail": {"displayName": "ws"},
            },
        },
    ],
    "m365": [
        {
            "CreationTime": "2026-01-05T08:00:00",
            "Id": "1",
            "Operation": "FileDownloaded",
            "Workload": "OneDrive",
            "UserId": "ann@corp.example",
            "ClientIP": "[2001:db8::1]:443",
            "RecordType": 6,
            "ObjectId": "http://x/y",
            "ExtendedProperties": [{"Name": "UserAgent", "Value": "x"}],
            "Parameters": [{"Name": "a", "Value": "b"}],
        },
    ],
    "okta": [
        {
            "uuid": "1",
            "published": _STAMP,
            "eventType": "user.session.start",
            "outcome": {"result": "SUCCESS"},
            "actor": {"alternateId": "ann@corp.example", "type": "User"},
            "client": {"ipAddress": "203.0.113.9"},
            "target": [{"type": "AppInstance", "displayName": "x"}],
            "version": "0",
            "severity": "INFO",
        },
    ],
    "github": [
        {
            "@timestamp": 1767600000250,
            "action": "repo.create",
            "actor": "ann",
            "actor_ip": "203.0.113.9",
            "_document_id": "1",
            "org": "corp",
            "repo": "corp/x",
            "actor_location": {"country_code": "DE"},
        },
    ],
    "mde": [
        {
            "Timestamp": _STAMP,
            "DeviceName": "ws1",
            "ActionType": "ProcessCreated",
            "AccountName": "ann",
            "FileName": "a.exe",
            "ProcessCommandLine": "a",
            "InitiatingProcessFileName": "b.exe",
            "ReportId": 1,
            "RemoteIP": "203.0.113.9",
            "DeviceId": "d",
            "Table": "DeviceProcessEvents",
        },
    ],
    "suricata": [
        {
            "timestamp": "2026-01-05T08:00:00.000001+0000",
            "event_type": "dns",
            "src_ip": "10.0.0.1",
            "src_port": 5,
            "dest_ip": "10.0.0.2",
            "dest_port": 53,
            "proto": "UDP",
            "flow_id": 1,
            "dns": {"type": "query", "rrname": "a.example", "rrtype": "A"},
        },
        {
            "timestamp": "2026-01-05T08:00:00.000001+0000",
            "event_type": "flow",
            "src_ip": "10.0.0.1",
            "dest_ip": "10.0.0.2",
            "flow": {"bytes_toserver": 1, "bytes_toclient": 2, "start": "x"},
        },
    ],
    "zeek": [
        {
            "ts": 1767600000.25,
            "uid": "C1",
            "id.orig_h": "10.0.0.1",
            "id.orig_p": 5,
            "id.resp_h": "10.0.0.2",
            "id.resp_p": 443,
            "proto": "tcp",
            "service": "ssl",
            "orig_bytes": 1,
            "resp_bytes": 2,
            "_path": "conn",
        },
    ],
}

_TEXT = {
    "zeek": [
        b"#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"
        b"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\n"
        b"#types\ttime\tstring\taddr\tport\taddr\tport\n"
        b"1767600000.25\tC1\t10.0.0.1\t5\t10.0.0.2\t443\n#close\t2026-01-05\n"
    ],
    "syslog": [
        b"<86>Jan  5 08:00:00 web1 sshd[7]: Accepted publickey for ann from 203.0.113.9 port 5 ssh2",
        b'<86>1 2026-01-05T08:00:00.25+01:00 web1 sudo 7 ID [x@1 a="b\\]"]'
        b" ann : TTY=pts/0 ; PWD=/ ; USER=root ;"
        b" COMMAND=/bin/sh -c 'x'",
        b"2026-01-05T08:00:00Z web1 CRON[9]: pam_unix(cron:session): session opened for user root by (uid=0)",
    ],
    "auditd": [
        b"type=SYSCALL msg=audit(1767600000.250:42): arch=c000003e syscall=59 success=yes exit=0 ppid=1 pid=2"
        b' auid=1000 uid=0 comm="sh" exe="/bin/sh" key=(null)\n'
        b'type=EXECVE msg=audit(1767600000.250:42): argc=2 a0="sh" a1=2D63\n'
        b'type=USER_LOGIN msg=audit(1767600001.250:43): pid=1 uid=0 auid=5 ses=1 msg=\'op=login acct="ann"'
        b' exe="/usr/sbin/sshd" hostname=h addr=203.0.113.9 terminal=ssh res=success\''
    ],
    "lanl": [b"1,ANONYMOUS LOGON@C586,ANONYMOUS LOGON@C586,C1250,C586,NTLM,Network,LogOn,Success"],
    "cert": [
        b"id,date,user,pc,activity\n{X1D9-S0ES98JV-5357PWMI},01/02/2010 06:49:00,NGF0157,PC-6056,Logon\n"
    ],
}


def of_source(source: str) -> list[bytes]:
    """Records of a source, a few of them in one seed too."""
    found = [json.dumps(value, separators=(",", ":")).encode() for value in _JSON.get(source, [])]
    return [*found, *_TEXT.get(source, []), b"\n".join(found or _TEXT[source])]


def _otlp() -> Any:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.time_unix_nano = 1767600000250000000
    record.body.string_value = _TEXT["syslog"][0].decode()
    pair = record.attributes.add()
    pair.key, pair.value.int_value = "user.name", 5
    return request


def of_protocol(protocol: str) -> list[bytes]:
    """Requests of a protocol."""
    event = json.dumps(_OCSF).encode()
    line = _TEXT["syslog"][0]
    wrapped = json.dumps({"message": line.decode(), "@timestamp": _STAMP}).encode()
    seeds: dict[str, list[bytes]] = {
        "bulk": [
            b'{"create":{"_index":"logs","_id":"1"}}\n' + event + b"\n",
            b'{"delete":{"_id":"1"}}\n',
            b'{"update":{"_id":"1"}}\n{"doc":' + event + b"}\n",
            b'{"index":{}}\n' + wrapped + b"\n",
            b'{"create":{}}\n{"log":"\x83 x","stream":"out"}\n',
        ],
        "hec": [
            b'{"event":' + event + b'}{"event":"x","time":1767600000.2,"host":"h","sourcetype":"syslog"}',
            b'{"event":"\x83 x"}',
            b'{"event":{"log":"\x83 x"}}',
            b"\x1d\r",
        ],
        "hec-raw": [line + b"\n" + line],
        "native": [
            event + b"\n" + event,
            b"[" + event + b"," + event + b"]",
            b'{"Records":[' + event + b"]}",
        ],
        "otlp-json": [
            b'{"resourceLogs":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"h"}}]},'
            b'"scopeLogs":[{"logRecords":[{"timeUnixNano":"1767600000250000000","body":{"stringValue":"x"},'
            b'"attributes":[{"key":"a","value":{"arrayValue":{"values":[{"intValue":"5"}]}}}]}]}]}]}'
        ],
        "syslog-stream": [b"%d %b" % (len(line), line) * 2, line + b"\n" + line + b"\n"],
        "carrier": [wrapped, b'{"log":"x","stream":"stdout"}', b'{"log":"\x83 x","stream":"out"}'],
        "limits": [event],
        "gzip": [gzip.compress(event, mtime=0), gzip.compress(event, mtime=0) * 2],
        "deflate": [zlib.compress(event)],
        "zstd": [zstandard.ZstdCompressor().compress(event) * 2],
        "sniff": [event, line, *_TEXT["zeek"], *_TEXT["cert"]],
        "key": [b"Bearer hab_000000000000_" + b"A" * 43, b"Basic OmhhYl8w", b"ApiKey aWQ6eA=="],
    }
    if protocol == "otlp-protobuf":
        content: bytes = _otlp().SerializeToString()
        return [content]
    return seeds[protocol]


DICTIONARY = (
    b'{"',
    b'":',
    b'",',
    b"null",
    b"true",
    b"1e999",
    b"-1",
    b"9223372036854775808",
    b'"\\ud800"',
    b"\\u0000",
    b"[[[[",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\x0b",
    b"0001-01-01T00:00:00Z",
    b"9999-12-31T23:59:60.999999999Z",
    b"+25:61",
    b"10.0.0.256",
    b"::ffff:1.2.3.4%eth0",
    b"\xf0\x9f\x92\xa9",
    b"<999>",
    b"audit(",
    b"msg='",
    b"#fields\t",
)
"""Pieces that are worth a try anywhere."""
