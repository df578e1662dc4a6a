"""From a corpus to what a training sees: the experiment, cached frames, folds, segments and pairs."""
