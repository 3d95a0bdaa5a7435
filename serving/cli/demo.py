"""`habitus demo`: an invented organisation with a past, watched as it goes on, and somebody who breaks in."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from serving.demo.access import Welcome
    from serving.demo.traffic import Traffic
    from serving.demo.world import Plan

FOLDER = Path("var/demo")
DAYS, SCORED_DAYS = 28, 21
LINES = 10
"""Times that progress is told where there is no terminal to draw a bar on."""


class Options(NamedTuple):
    """What `habitus demo` was asked for; see the command's own help."""

    users: int
    days: int
    seed: int
    folder: Path
    port: int
    fresh: bool


@click.command(name="demo")
@click.option("--users", default=60, show_default=True, help="People with a desk.")
@click.option("--days", type=int, help=f"Days of history (default {DAYS}; with --score {SCORED_DAYS}).")
@click.option("--seed", default=7, show_default=True, help="Another number gives another organisation.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder for everything that is written (default {FOLDER}; with --score a new temporary one).",
)
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Another one if it is taken.",
)
@click.option("--fresh", is_flag=True, help="Begin anew, whatever was prepared before.")
@click.option(
    "--score", "only_score", is_flag=True, help="Serve nothing: score a month and show who departed."
)
@click.option(
    "--top", default=12, show_default=True, type=click.IntRange(0), help="With --score: entity-days shown."
)
def command(
    users: int,
    days: int | None,
    seed: int,
    out: Path | None,
    port: int,
    fresh: bool,
    only_score: bool,
    top: int,
) -> None:
    """Serve an invented organisation: its habits are learned, then it goes on living, and an intruder comes
    within a minute. Prints the console's address and how to sign in.

    Ctrl-C ends it. Another run goes on where this one ended, with another attack; after more than two days,
    or with other options, it begins anew.
    """
    if only_score:
        from serving.cli import demo_score

        demo_score.run(users, days or SCORED_DAYS, seed, out, top)
        return
    run(Options(users, days or DAYS, seed, out or FOLDER, port, fresh))


def run(options: Options) -> None:
    """Prepare what is missing, then serve until told to stop."""
    from features.errors import StateError
    from serving.bootstrap import Runtime
    from serving.cli.serve import ignore_signals, listen
    from serving.demo import access, traffic, world
    from serving.http import logs
    from serving.http.settings import Settings
    from serving.state import locked

    began = time.monotonic()
    world.load(options.folder)  # refuses a folder that is somebody else's before anything is written there
    with locked(options.folder):
        plan = _prepared(options)
        port = access.port(options.port)
        settings = Settings(data_dir=options.folder / "service", port=port)
        _say("starting the service ...")
        with (options.folder / "log.ndjson").open("a", encoding="utf-8") as log:
            logs.configure(log)
            try:
                runtime = Runtime.open(settings, limits=traffic.LIVE)
            except StateError as error:  # of another version, say
                _say(f"what was learned cannot be used any more ({error})")
                plan = _prepared(options._replace(fresh=True))
                runtime = Runtime.open(settings, limits=traffic.LIVE)
            url = f"http://{settings.host}:{port}"
            ignore_signals()
            events = traffic.Traffic(
                runtime.core, options.folder, plan, _say, lambda alert: f"{url}/console/alerts/{alert}"
            )
            try:
                sign_in = access.sign_in(runtime.core.database, settings.data_dir)
                welcome = access.Welcome(url, sign_in, time.monotonic() - began)
                access.when_ready(settings.host, port, lambda: _begin(welcome, events))
                started = listen(runtime)
            finally:
                events.stop()
                runtime.stop()
    if not started:
        click.echo(f"habitus: could not listen on {url}; {options.folder / 'log.ndjson'} says why", err=True)
        sys.exit(1)
    click.echo(f"stopped; the same command goes on from here ({options.folder})")


def _begin(welcome: Welcome, events: Traffic) -> None:
    """Say where the console is, then let the organisation live."""
    click.echo(welcome.text())
    events.start()


def _prepared(options: Options) -> Plan:
    """The organisation as it is now: what was prepared before, brought up to date, or a new one."""
    from features.errors import StateError
    from features.kernel_cache import is_cold
    from serving.demo import traffic, world

    plan = world.load(options.folder)
    now_ms = time.time_ns() // 1_000_000
    why = "" if plan is None else _stale(plan, options, now_ms)
    if plan is not None and not why:
        if now_ms - plan.sent_ms > traffic.CATCH_UP_MS:
            _say("going on from the last run; first what happened meanwhile ...")
            try:
                _learn(options.folder, plan, now_ms, 0)
            except StateError as error:
                why = f"what was learned cannot be used any more ({error})"
        if not why:
            return plan
    if why:
        _say(f"beginning anew: {why}")
    world.clear(options.folder)
    if is_cold():
        _say("compiling the kernels of this version, once: about a minute")
    weeks = f"{options.users} people over {options.days} days"
    with _progress(f"1/2 simulating {weeks}", options.days + 1 + world.AHEAD_DAYS) as tell:
        plan = world.simulate(
            options.folder, options.users, options.days, options.seed, now_ms, lambda done, _: tell(done)
        )
    _learn(options.folder, plan, plan.history_ms, plan.history)
    return plan


def _stale(plan: Plan, options: Options, now_ms: int) -> str:
    if options.fresh:
        return "as asked for"
    if (plan.users, plan.days, plan.seed) != (options.users, options.days, options.seed):
        return "the options are others than last time"
    if not plan.learned:
        return "the history was not learned to its end"
    if now_ms >= plan.end_ms:
        ended = datetime.fromtimestamp(plan.end_ms / 1000, UTC)
        return f"the days that were simulated ended at {ended:%Y-%m-%d %H:%M} UTC"
    return ""


def _learn(folder: Path, plan: Plan, until_ms: int, count: int) -> None:
    """Take in what has happened until a moment, as a service does that is given a history."""
    from serving.core import Core
    from serving.demo import traffic, world

    with Core(folder / "service", traffic.LEARNING) as core:
        if count:
            with _progress(f"2/2 learning {count:,} events", count) as tell:
                done = 0

                def more(events: int) -> None:
                    nonlocal done
                    done += events
                    tell(done)

                traffic.learn(core, folder, plan, until_ms, more)
        else:
            traffic.learn(core, folder, plan, until_ms, lambda events: None)
    if count:
        traffic.date_back(folder / "service")
    world.save(folder, plan)


@contextmanager
def _progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, else a line now and then. What is yielded is told how much is done by now."""
    if sys.stdout.isatty():
        with click.progressbar(length=total, label=label, show_eta=True) as bar:
            yield lambda done: bar.update(done - bar.pos)
        return
    told = 0
    _say(f"{label} ...")

    def tell(done: int) -> None:
        nonlocal told
        step = done * LINES // max(total, 1)
        if step > told:
            told = step
            _say(f"{label}: {100 * done // total} %")

    yield tell


def _say(text: str) -> None:
    click.echo(f"{datetime.now(UTC):%H:%M:%S}  {text}")
