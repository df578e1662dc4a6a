"""The index tables of an epoch's mini-batches."""

import torch

from ser.training.sampling import Sampling
from ser.training.stack.batches import Batches


def test_batches_hold_the_pairs_in_their_order(new_task):
    samplings = [Sampling(new_task(), seed, fold) for seed, fold in ((0, 1), (0, 2))]
    batches = Batches([(sampling.training, sampling.pairs, len(sampling.pairs)) for sampling in samplings], 4, "cpu")
    for slot, sampling in enumerate(samplings):
        windows = [batch.windows["start"][slot].reshape(2, 4).T for batch in batches]
        starts = torch.cat(windows)[: len(sampling.pairs)].numpy()
        assert (starts == sampling.training.start[sampling.pairs]).all()
