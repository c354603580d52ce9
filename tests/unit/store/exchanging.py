"""Stores of members that exchange what they have, as replication does, without a network."""

from __future__ import annotations

from pointsman.store import Store, pack_batch, unpack_batch


async def exchange(source: Store, target: Store) -> None:
    """Gives `target` all that `source` has."""
    while True:
        batch = unpack_batch(pack_batch(await source.parcels_after(target.vector)))
        assert not batch.below_floor
        await target.receive(batch.parcels, batch.blobs)
        if batch.complete:
            return


async def agree(*stores: Store) -> None:
    """Lets members exchange what they have until they have the same, and looks whether it is the same."""
    for _ in stores:
        for source in stores:
            for target in stores:
                if source is not target and source.digest != target.digest:
                    await exchange(source, target)
    first, *others = stores
    for other in others:
        assert other.digest == first.digest
        assert dict(other.objects) == dict(first.objects)
        assert {i: other.objects.uid(i) for i in other.objects} == {
            i: first.objects.uid(i) for i in first.objects
        }


async def join(member: Store, newcomer: Store) -> None:
    """Makes `newcomer` a copy of `member`."""
    await newcomer.adopt(await member.whole(), keys=member.keys, replace=True)
