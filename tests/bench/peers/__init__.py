"""fedkeys beside other prediction engines, on the same text in the same run: `python -m tests.bench.peers CORPUS`.

In: a corpus. Out: for each engine the CPU time of a next word and of a completion, its ratio to `Model.suggest`,
and top-1 and top-3 recall. Laws: every engine is given the same words to learn and is asked the same questions;
they take turns user by user, so whatever else the machine does meets all of them; each times itself by the CPU
clock of its thread, from the question in its own form to three words.

What is not installed is left out, with a sentence that says how to install it.

    text        the words that all are given, and the questions
    engines     those in this process: fedkeys, and of its baselines the KenLM scan and stupid back-off
    driven      those in a process of their own: Presage, Onboard's pypredict
"""
