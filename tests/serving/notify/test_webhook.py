"""Webhooks as a receiver sees them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import ssl
import subprocess
import threading

import pytest

from features.errors import InputError
from serving.notify import webhook
from serving.notify.addresses import Network, Undelivered
from tests.serving.notify.receiver import receiving

LOCAL = Network.parsed("127.0.0.0/8,::1/128")


def test_a_receiver_can_check_the_signature_with_the_secret_alone():
    secret = webhook.new_secret()
    with receiving() as server:
        webhook.post(
            webhook.Url.parsed(server.url),
            webhook.secret_bytes(secret),
            "key1",
            b'{"a":1}',
            LOCAL,
            1_700_000_000,
        )
        ((headers, body),) = server.taken
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{right}"
    assert headers["idempotency-key"] == headers["webhook-id"] == "key1"
    assert headers["content-type"] == "application/json"


def test_the_signature_is_that_of_the_published_example():
    """The example of the Standard Webhooks specification."""
    secret = webhook.secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    found = webhook.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("answer", [301, 400, 404, 410, 429, 500, 503, "hang up"])
def test_only_a_2xx_counts_as_delivered(answer):
    with receiving() as server:
        server.answers = [answer]
        url = webhook.Url.parsed(server.url)
        with pytest.raises(Undelivered):
            webhook.post(url, b"x" * 24, "k", b"{}", LOCAL, 1)


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n", b"HTTP/1.1 abc\r\n", b"SSH-2.0-x\r\n", b"x" * 10_000])
def test_what_does_not_speak_http_did_not_take_it(said):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        url = webhook.Url.parsed(f"http://127.0.0.1:{server.getsockname()[1]}/")
        with pytest.raises(Undelivered):
            webhook.post(url, b"x" * 24, "k", b"{}", LOCAL, 1)


def test_a_receiver_that_dribbles_is_given_up(monkeypatch):
    monkeypatch.setattr(webhook, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def answer():
            connection, _ = server.accept()
            with connection:
                while not done.wait(0.05):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return

        threading.Thread(target=answer, daemon=True).start()
        url = webhook.Url.parsed(f"http://127.0.0.1:{server.getsockname()[1]}/")
        with pytest.raises(Undelivered):
            webhook.post(url, b"x" * 24, "k", b"{}", LOCAL, 1)
        done.set()


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1"
        " -keyout key.pem -out cert.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    made = subprocess.run(
        command.split(),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("openssl is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with receiving() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = webhook.Url.parsed(f"https://localhost:{server.server_port}/")
        with pytest.raises(Undelivered, match="certificate"):
            webhook.post(url, b"x" * 24, "k", b"{}", LOCAL, 1)
        assert server.taken == []


@pytest.mark.parametrize("secret", ["whsec_", "whsec_!!!", "short", base64.b64encode(b"x" * 23).decode()])
def test_a_weak_or_broken_secret_is_refused(secret):
    with pytest.raises(InputError):
        webhook.secret_bytes(secret)
