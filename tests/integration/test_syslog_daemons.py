"""syslog-ng and rsyslog deliver 10,000 lines through a restart and a kill -9: none lost, none twice."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time

import pytest

from tests.integration.test_client_libraries import assert_each_was_scored_once
from tests.service_process import free_port

pytestmark = pytest.mark.integration

LINES = 10_000
SYSLOG_NG = shutil.which("syslog-ng", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
RSYSLOG = shutil.which("rsyslogd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def line(number: int) -> str:
    minute, second = divmod(number, 60)
    hour, minute = divmod(minute, 60)
    stamp = f"2026-03-01T{hour:02}:{minute:02}:{second:02}.000000+00:00"
    who = f"user{number % 40} from 10.0.{number % 5}.{number % 40 + 1} port {1024 + number}"
    return f"<86>{stamp} web{number % 7} sshd[{number}]: Accepted password for {who} ssh2"


def through(service, command, port, folder):
    """Run a daemon that listens on `port`, give it lines, and disturb the service in between."""
    service.start()
    with (folder / "out").open("wb") as output:
        daemon = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
    try:
        sender = connected(port, daemon, folder)
        third = LINES // 3
        for number in range(LINES):
            sender.sendall(line(number).encode() + b"\n")
            if number == third:
                time.sleep(0.5)
                service.kill()
                service.start()
            elif number == 2 * third:
                assert service.stop() == 0
                service.start()
        sender.close()
        assert_each_was_scored_once(service, LINES)
    finally:
        daemon.terminate()
        try:
            daemon.wait(timeout=20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def connected(port, daemon, folder):
    until = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        except OSError:
            assert daemon.poll() is None, (folder / "out").read_text()
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


SYSLOG_NG_HTTP = """
destination d_habitus {{
  http(
    url("{url}/v1/events?source=syslog") method("POST")
    headers("Authorization: Bearer {key}", "Content-Type: text/plain")
    body("<${{PRI}}>${{ISODATE}} ${{HOST}} ${{MSGHDR}}${{MESSAGE}}")
    delimiter("\\n") batch-lines(500) batch-timeout(200) workers(2) retries(1000)
  );
}};
"""
SYSLOG_NG_ELASTIC = """
destination d_habitus {{
  elasticsearch-http(
    url("{url}/_bulk") index("syslog") type("") batch-lines(500) batch-timeout(200) retries(1000)
    user("collector") password("{key}")
  );
}};
"""


@pytest.mark.skipif(
    SYSLOG_NG is None, reason="apt-get install syslog-ng-core syslog-ng-mod-http syslog-ng-scl"
)
@pytest.mark.parametrize(
    "destination",
    [SYSLOG_NG_HTTP, pytest.param(SYSLOG_NG_ELASTIC, marks=pytest.mark.slow)],
    ids=["http", "elasticsearch-http"],
)
def test_syslog_ng(service, tmp_path, destination):
    port = free_port()
    config = (
        '@version: 3.38\n@include "scl.conf"\n'
        "options { keep-hostname(yes); ts-format(iso); frac-digits(6); time-reopen(1); stats-freq(0); };\n"
        f'source s_in {{ network(ip("127.0.0.1") port({port}) transport("tcp")); }};\n'
        + destination.format(url=service.url, key=service.key())
        + "log { source(s_in); destination(d_habitus); flags(flow-control); };\n"
    )
    (tmp_path / "syslog-ng.conf").write_text(config)
    command = [
        SYSLOG_NG, "-F", "--no-caps", "-f", "syslog-ng.conf", "-R", "syslog-ng.persist",
        "-c", "syslog-ng.ctl", "-p", str(tmp_path / "pid"),
    ]  # fmt: skip
    through(service, command, port, tmp_path)


RSYSLOG_CONF = """
global(workDirectory="{folder}")
module(load="imtcp")
module(load="omelasticsearch")
template(name="document" type="list" option.jsonf="on") {{
  property(outname="timereported" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="fromhost" name="hostname" format="jsonf")
  property(outname="syslogtag" name="syslogtag" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}}
input(type="imtcp" port="{port}" address="127.0.0.1")
action(
  type="omelasticsearch" server="127.0.0.1" serverport="{http}" uid="collector" pwd="{key}"
  searchIndex="syslog" searchType="" template="document" bulkmode="on" maxbytes="1m"
  errorfile="{folder}/errors"
  queue.type="LinkedList" queue.size="20000" queue.dequeueBatchSize="500"
  action.resumeRetryCount="-1" action.resumeInterval="1"
)
"""


@pytest.mark.skipif(RSYSLOG is None, reason="apt-get install rsyslog rsyslog-elasticsearch")
def test_rsyslog(service, tmp_path):
    port = free_port()
    config = RSYSLOG_CONF.format(folder=tmp_path, port=port, http=service.port, key=service.key())
    (tmp_path / "rsyslog.conf").write_text(config)
    command = [RSYSLOG, "-n", "-f", str(tmp_path / "rsyslog.conf"), "-i", str(tmp_path / "rsyslog.pid")]
    through(service, command, port, tmp_path)


def test_rsyslog_is_not_needed_for_plain_syslog(service, tmp_path):
    """The service's own listener: what one connection sent is scored once."""
    port = free_port()
    service.options = ("--syslog-tcp", f"127.0.0.1:{port}", "--syslog-tenant", "acme")
    service.start()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sender:
        for number in range(LINES):
            sender.sendall(line(number).encode() + b"\n")
    assert_each_was_scored_once(service, LINES)


@pytest.mark.skipif(shutil.which("curl") is None, reason="apt-get install curl")
def test_curl_sends_a_compressed_file_and_a_retry_changes_nothing(service, tmp_path):
    import gzip
    import json

    from tests.service_process import ocsf

    service.start()
    key = service.key()
    file = tmp_path / "events.ndjson.gz"
    file.write_bytes(gzip.compress(b"\n".join(json.dumps(ocsf(n)).encode() for n in range(LINES))))
    command = [
        "curl", "-sS", "--fail", "--retry", "10", "--retry-all-errors", "-H", f"Authorization: Bearer {key}",
        "-H", "Content-Encoding: gzip", "--data-binary", f"@{file}", f"{service.url}/v1/events",
    ]  # fmt: skip
    first = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    service.kill()
    service.start()
    second = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert first["accepted"] == LINES
    assert second["duplicate"] == LINES
    assert_each_was_scored_once(service, LINES)
