"""A tracking store that cannot be opened."""

from types import SimpleNamespace

import pytest

from ser.errors import UserError
from ser.results import delivery, mlflow


def test_a_store_that_cannot_be_opened_is_tried_once_for_all_jobs(tmp_path, monkeypatch):
    """A server that does not answer would otherwise cost every job its time-outs."""
    tried = []

    class Opening:
        def __call__(self, uri, experiment):
            tried.append(uri)
            raise OSError("no route")

        def cache_info(self):
            return SimpleNamespace(currsize=0)

    monkeypatch.setattr(mlflow, "open_experiment", Opening())
    monkeypatch.setattr(delivery, "_unreachable", {})
    for name in ("first", "second"):
        run = SimpleNamespace(name=name, tags={"configuration": "c"})
        with pytest.raises(UserError, match=rf"did not take the runs of {name} \(.*no route\).*the same command"):
            delivery.deliver([run], None, "http://nowhere", "ser", tmp_path, "")
    assert tried == ["http://nowhere"]
