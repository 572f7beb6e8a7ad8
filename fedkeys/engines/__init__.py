"""Engines that others keep, where a fleet or a merge outgrows one machine.

In: phones and rounds for Flower, deltas for Dask. Out: the payload that one machine gives. Laws: an engine moves
our messages and starts our functions, and decides nothing about them; nothing here is imported before a command
asks for it, and no other package imports an engine.

    flower        phones as Flower's clients, the aggregator's side of a round as its server (extra `flower`)
    dask          merging and releasing with many processes on many machines (extra `dask`)
"""
