"""States on disk: nested dictionaries, lists and tuples of tensors, arrays and plain values."""

import numpy as np
import pytest
import torch

from ser.system import tensors


def test_a_state_is_read_as_it_was_written(tmp_path):
    rng = np.random.default_rng(0)
    state = {
        "numbers": [1, -2.5, 1e-300, float("inf"), True, None, "text", 2**100],
        3: (torch.arange(6).reshape(2, 3).T, torch.zeros(0), torch.tensor(0.5, dtype=torch.bfloat16)),
        "array": rng.permutation(5)[::-1],
        "generator": rng.bit_generator.state,
    }
    tensors.write_state(tmp_path / "state", state, {"of": "a test"})
    found, about = tensors.read_state(tmp_path / "state")
    assert about == {"of": "a test"}
    (tmp_path / "other").touch()
    assert (tmp_path / "state").stat().st_mode == (tmp_path / "other").stat().st_mode, "others may read it"
    assert found["numbers"] == state["numbers"]
    assert found["generator"] == state["generator"]
    assert (found["array"] == state["array"]).all()
    assert isinstance(found[3], tuple)
    assert all(
        torch.equal(one, other) and one.dtype == other.dtype for one, other in zip(found[3], state[3], strict=True)
    )


@pytest.mark.parametrize("value", [object(), {1, 2}, [{"deep": b"bytes"}], 1j])
def test_a_value_of_another_kind_is_refused_and_nothing_written(tmp_path, value):
    with pytest.raises(TypeError, match="cannot be written"):
        tensors.write_state(tmp_path / "state", {"value": value}, {})
    assert not list(tmp_path.iterdir())
