"""Numeric federated averaging: small, exact, readable.

In: clients that hold arrays and never give them away. Out: weights that they trained together, and what each
round cost. Laws: one client with one full-batch step is gradient descent; all clients with one full-batch step
each are gradient descent on their pooled data; a state is never changed, and the same state and clients give
the same next state, byte for byte.

    models        what is trained: linear models, a perceptron
    clients       `Device`, who holds the data; `hospitals`: `Hospital`
    tables        hospitals' tables; `agreement` on the roles of columns; `preparation` on site
    local         what a client does in a round: epochs, batches, learning-rate schedules, FedProx
    means         how updates become one: weighted, median, trimmed, Krum, clipped
    server        what the server does with the mean: FedAvg, FedAdam, FedYogi, FedAdagrad
    participation who takes part in a round
    training      the round: `FederatedAveraging.initialize` and `.next`, which is `.asked` and `.put_together`;
                  `train_rounds`
    answers       what comes back of a round
    gathered      what comes in during a round, and `Metrics`
    state         `State`, which is saved and resumed
    updates       the textbook's `average`, `weighted_average`, `compress`, `noisy_average`
    compression   sending less, and what it loses
    privacy       clipping and noise, priced
    shares        a sum that nobody can see into
    secure        updates as whole numbers, for sums under masks
    partition     data that is not alike everywhere
"""

from fedkeys.fedavg.answers import Missing
from fedkeys.fedavg.clients import Client, Device
from fedkeys.fedavg.compression import Decimals, Exact, Quantised, TopK
from fedkeys.fedavg.gathered import Metrics
from fedkeys.fedavg.hospitals import Hospital, federated_scale
from fedkeys.fedavg.local import LocalTraining
from fedkeys.fedavg.means import Krum, Mean, Median, NormClipping, TrimmedMean
from fedkeys.fedavg.models import LinearRegression, LinearSVM, LogisticRegression, MLPClassifier
from fedkeys.fedavg.participation import Participation
from fedkeys.fedavg.privacy import GaussianMechanism
from fedkeys.fedavg.secure import SecureMean
from fedkeys.fedavg.server import FedAdagrad, FedAdam, FedYogi, ServerSGD
from fedkeys.fedavg.state import State
from fedkeys.fedavg.training import FederatedAveraging, train_rounds
from fedkeys.fedavg.updates import average, compress, noisy_average, weighted_average

__all__ = [
    "Client",
    "Decimals",
    "Device",
    "Exact",
    "FedAdagrad",
    "FedAdam",
    "FedYogi",
    "FederatedAveraging",
    "GaussianMechanism",
    "Hospital",
    "Krum",
    "LinearRegression",
    "LinearSVM",
    "LocalTraining",
    "LogisticRegression",
    "MLPClassifier",
    "Mean",
    "Median",
    "Metrics",
    "Missing",
    "NormClipping",
    "Participation",
    "Quantised",
    "SecureMean",
    "ServerSGD",
    "State",
    "TopK",
    "TrimmedMean",
    "average",
    "compress",
    "federated_scale",
    "noisy_average",
    "train_rounds",
    "weighted_average",
]
