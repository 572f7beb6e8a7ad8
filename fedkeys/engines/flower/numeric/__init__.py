"""Federated averaging on Flower: devices and hospitals are clients, `FederatedAveraging` is one of its strategies.

In: a Flower federation, and what each of its nodes says of its own data. Out: a `State`, figures, and an account
of the rounds. Laws: rows are read where the node's own settings say and stay there; the state is the one that
`FederatedAveraging.next` gives on one machine with the same clients, byte for byte; messages are those that
Flower's own strategies send, so that these drive our models too.

    data          a node's own data, by its own settings
    wire          what train and evaluate messages hold
    preparing     how clients prepare their data
    node          what a node does when it is asked
    muster        who takes part, and what hospitals agree on first
    told          what nodes tell of their data then
    terms         what a run settles in its first round, and holds to
    averaging     `Averaging`: our algorithms as a strategy of Flower's
    borrowed      Flower's own strategies, with what they remember kept as a `State`
    settings      the run's settings as a plan
    rounds        the rounds, on the server
"""
