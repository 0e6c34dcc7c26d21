"""/metrics and /healthz over a real socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from threading import Event, Thread

import pytest

from axiomd.contracts.errors import ConfigError
from axiomd.daemon import metrics_server
from axiomd.daemon.health import Health
from axiomd.daemon.metrics_server import MetricsServer

WELL, HUNG = Health((), 0), Health(("engine",), 9)


@contextmanager
def serving(health: Health = WELL) -> Iterator[tuple[str, int]]:
    server = MetricsServer("127.0.0.1", 0, render=lambda: b"equity 1.0\n", health=lambda: health)
    address = server.start()
    try:
        yield address
    finally:
        server.stop()


def asked(address: tuple[str, int], path: str, method: str = "GET") -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(*address, timeout=5)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_any_free_port_is_bound_and_told() -> None:
    with serving() as (host, port):
        assert "127.0.0.1" == host
        assert port > 0
        assert 200 == asked((host, port), "/metrics")[0].status


def test_series_are_served_in_the_text_format() -> None:
    with serving() as address:
        response, body = asked(address, "/metrics?name[]=equity")

    assert b"equity 1.0\n" == body
    assert "text/plain; version=0.0.4; charset=utf-8" == response.headers["Content-Type"]


@pytest.mark.parametrize(("health", "expected"), [(WELL, (200, b"healthy\n")), (HUNG, (503, b"hung: engine\n"))])
def test_health_is_a_status_and_says_who_hangs(health: Health, expected: tuple[int, bytes]) -> None:
    with serving(health) as address:
        response, body = asked(address, "/healthz")

    assert expected == (response.status, body)


def test_head_has_no_body_and_other_paths_are_not_there() -> None:
    with serving() as address:
        assert b"" == asked(address, "/metrics", "HEAD")[1]
        assert 404 == asked(address, "/etc/passwd")[0].status
        assert 501 == asked(address, "/metrics", "POST")[0].status


def test_stalling_scraper_delays_the_next_no_longer_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "REQUEST_S_MAX", 0.1)
    with serving() as address, socket.create_connection(address) as stalling:
        stalling.sendall(b"GET /met")

        assert 200 == asked(address, "/healthz")[0].status


def test_scraper_that_sends_a_byte_now_and_then_delays_no_longer_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte was in time for itself, and while they came neither a scraper nor the daemon's end got its turn."""
    monkeypatch.setattr(metrics_server, "REQUEST_S_MAX", 0.1)
    with serving() as address, socket.create_connection(address) as trickling:
        trickling.sendall(b"GET /metrics HTTP/1.0\r\n")
        is_over = Event()
        trickle = Thread(target=send_byte_by_byte, args=(trickling, is_over))
        trickle.start()
        try:
            assert 200 == asked(address, "/healthz")[0].status
        finally:
            is_over.set()
            trickle.join()


def send_byte_by_byte(line: socket.socket, is_over: Event) -> None:
    with suppress(OSError):  # cut off, as it should be
        while not is_over.wait(0.02):
            line.sendall(b"x")


def test_port_in_use_is_a_mistake_in_the_configuration() -> None:
    with serving() as (host, port), pytest.raises(ConfigError, match="cannot listen") as refused:
        MetricsServer(host, port, render=lambda: b"", health=lambda: WELL).start()

    assert "metrics.port" in str(refused.value)


def test_stopping_what_never_started_does_nothing() -> None:
    server = MetricsServer("127.0.0.1", 0, render=lambda: b"", health=lambda: WELL)
    server.stop()

    assert server._thread is None
