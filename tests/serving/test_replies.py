"""Receipts come to the coroutines that wait for them, however many and from whatever thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from serving.replies import Mailbox, Reply
from serving.submission import Receipt, Refused


def receipt(number: int) -> Receipt:
    return Receipt(number, number, 0, 0, 0)


def test_everybody_is_told_what_became_of_his_own() -> None:
    async def main() -> list[int]:
        mailbox = Mailbox(asyncio.get_running_loop())
        replies = [Reply(mailbox) for _ in range(500)]

        def tell(first: int) -> None:
            for number in range(first, 500, 5):
                assert replies[number].set_running_or_notify_cancel()
                replies[number].set_result(receipt(number))

        threads = [threading.Thread(target=tell, args=(first,)) for first in range(5)]
        for thread in threads:
            thread.start()
        found = [(await reply.future).received for reply in replies]
        for thread in threads:
            thread.join()
        return found

    assert asyncio.run(main()) == list(range(500))


def test_a_group_wakes_the_loop_once() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        mailbox = Mailbox(loop)
        replies = [Reply(mailbox) for _ in range(100)]
        calls = 0
        real = loop.call_soon_threadsafe

        def counted(*args: object) -> asyncio.Handle:
            nonlocal calls
            calls += 1
            return real(*args)  # type: ignore[arg-type]

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]
        for number, reply in enumerate(replies):  # the loop does not run meanwhile
            reply.set_result(receipt(number))
        await asyncio.gather(*(reply.future for reply in replies))
        return calls

    assert asyncio.run(main()) == 1


def test_an_error_is_raised_where_it_is_waited_for() -> None:
    async def main() -> None:
        reply = Reply(Mailbox(asyncio.get_running_loop()))
        reply.set_exception(Refused("no room"))
        assert reply.done()
        with pytest.raises(Refused, match="no room"):
            await reply.future

    asyncio.run(main())


def test_whoever_went_away_is_known_and_told_nothing() -> None:
    async def main() -> None:
        reply, other = (Reply(mailbox) for mailbox in [Mailbox(asyncio.get_running_loop())] * 2)
        waiting = asyncio.ensure_future(reply.future)
        waiting.cancel()
        await asyncio.sleep(0)
        assert not reply.set_running_or_notify_cancel()
        reply.set_result(receipt(1))
        other.set_result(receipt(2))
        assert (await other.future).received == 2

    asyncio.run(main())


def test_a_loop_that_is_closed_does_not_stop_the_core() -> None:
    loop = asyncio.new_event_loop()
    reply = Reply(Mailbox(loop))
    loop.close()
    reply.set_result(receipt(1))
