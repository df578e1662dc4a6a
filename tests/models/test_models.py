"""The paper's network against Table 1 and plain loops; the contract of every model."""

import numpy as np
import pytest
import torch
from scipy import signal

from ser.models.attentive_cnn import AttentiveCNN
from ser.models.cnn import CNN
from ser.models.mean_pool import MeanPool
from ser.models.spectrogram_cnn_lstm import SpectrogramCNNLSTM


def test_table_1():
    network = CNN(frames=900, features=13, classes=4)
    first, second = network.body.convolutions
    for conv, kernel, padding in ((first, 13, 6), (second, 7, 3)):
        assert (conv.in_channels, conv.out_channels) == (13, 100)
        assert (conv.kernel_size, conv.padding, conv.stride) == ((kernel,), (padding,), (1,))
    assert (network.body.pool.kernel_size, network.body.pool.stride, network.body.pool.padding) == (30, 3, 0)
    assert network.vector_size == 200 * 291
    assert sum(p.numel() for p in network.parameters()) == 100 * (13 * 13 + 1 + 2) + 100 * (13 * 7 + 1 + 2) + 4 * 58201


def test_the_forward_pass_against_plain_loops():
    torch.manual_seed(0)
    network = CNN(frames=12, features=2, classes=3, channels=2, kernels=[3], pool=4, stride=3).eval()
    frames = torch.randn(2, 12, 2)
    conv, norm = network.body.convolutions[0], network.body.norms[0]
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    padded = torch.cat([torch.zeros(2, 1, 2), frames, torch.zeros(2, 1, 2)], dim=1)
    expected = torch.empty(2, 3, 2)
    for b in range(2):
        for c in range(2):
            values = []
            for t in range(12):
                value = conv.bias[c] + sum((conv.weight[c, :, k] * padded[b, t + k]).sum() for k in range(3))
                value = (value - norm.running_mean[c]) / (norm.running_var[c] + norm.eps).sqrt()
                values.append((value * norm.weight[c] + norm.bias[c]).clamp(min=0))
            for p in range(3):
                expected[b, p, c] = torch.stack(values[3 * p : 3 * p + 4]).max()
    vector, logits = network(frames, torch.tensor([12, 12]))
    assert torch.allclose(vector, expected.flatten(1), atol=1e-5)
    assert torch.allclose(logits, network.classifier(expected.flatten(1)), atol=1e-5)


def test_mean_pool_against_plain_loops():
    torch.manual_seed(0)
    network = MeanPool(frames=5, features=3, classes=2, hidden=4)
    frames, count = torch.randn(2, 5, 3), [5, 2]
    frames[1, 2:] = 0
    vector, logits = network(frames, torch.tensor(count))
    for row, real in enumerate(count):
        outputs = [
            (network.projection.weight @ frames[row, t] + network.projection.bias).clamp(min=0) for t in range(real)
        ]
        expected = sum(outputs) / real
        assert torch.allclose(vector[row], expected, atol=1e-6)
        assert torch.allclose(logits[row], network.classifier.weight @ expected + network.classifier.bias, atol=1e-6)


@pytest.mark.parametrize(
    "network, features",
    [
        (MeanPool(frames=300, features=13, classes=4), 13),
        (AttentiveCNN(frames=300, features=13, classes=4, channels=8), 13),
        (SpectrogramCNNLSTM(frames=100, features=200, classes=4, hidden=16), 200),
        (SpectrogramCNNLSTM(frames=100, features=200, classes=4, hidden=16, bidirectional=False), 200),
        (SpectrogramCNNLSTM(frames=100, features=200, classes=4, hidden=0), 200),
    ],
)
def test_the_other_models_keep_the_contract(network, features):
    frames = torch.randn(3, 300 if features == 13 else 100, features)
    vector, logits = network(frames, torch.full((3,), frames.shape[1]))
    assert vector.shape == (3, network.vector_size)
    assert logits.shape == (3, 4)
    logits.sum().backward()
    without_gradient = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert all(name.startswith("body.convolutions") and name.endswith("bias") for name in without_gradient)


@pytest.mark.parametrize(("hidden", "bidirectional"), [(5, True), (5, False), (0, True)])
def test_the_spectrogram_network_in_numpy(hidden, bidirectional):
    """Convolutions by SciPy's correlation, pooling by slices, the LSTM by its equations (without peepholes)."""
    torch.manual_seed(0)
    network = SpectrogramCNNLSTM(frames=20, features=17, classes=3, hidden=hidden, bidirectional=bidirectional)
    weights = {name: value.numpy().astype(np.float64) for name, value in network.state_dict().items()}
    frames = torch.randn(1, 20, 17)
    images = [frames[0].numpy().T.astype(np.float64)]  # D, T
    for layer in range(3):
        kernels, bias = (weights[f"convolutions.{layer}.1.{name}"] for name in ("weight", "bias"))
        sums = [sum(map(correlated, images, kernel)) for kernel in kernels]
        images = [pooled(np.maximum(each + offset, 0)) for each, offset in zip(sums, bias, strict=True)]
    steps = np.stack(images).reshape(-1, images[0].shape[1]).T
    if not hidden:
        expected = steps.mean(axis=0)
    else:
        directions = [("", steps), ("_reverse", steps[::-1])][: 1 + bidirectional]
        expected = np.concatenate([last_state(rows, weights, end) for end, rows in directions])
    vector, logits = network(frames, torch.tensor([20]))
    assert vector[0].detach().numpy() == pytest.approx(expected, abs=1e-5)
    assert logits[0].detach().numpy() == pytest.approx(
        weights["classifier.weight"] @ expected + weights["classifier.bias"], abs=1e-5
    )


def correlated(image, kernel):
    """The correlation with a kernel, of the image's size; an even kernel has one more row or column of zeros after."""
    padding = [((size - 1) // 2, size // 2) for size in kernel.shape]
    return signal.correlate(np.pad(image, padding), kernel, mode="valid")


def pooled(image):
    """The maximum of each 2 x 2 square; a last odd row or column is left out."""
    even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    return np.max([even[i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=0)


def last_state(rows, weights, end):
    """The hidden state of an LSTM after all rows."""
    of_input, of_state = (weights[f"recurrent.weight_{kind}_l0{end}"] for kind in ("ih", "hh"))
    bias = weights[f"recurrent.bias_ih_l0{end}"] + weights[f"recurrent.bias_hh_l0{end}"]
    state = cell = np.zeros(of_state.shape[1])
    for row in rows:
        inputs, forget, new, output = np.split(of_input @ row + of_state @ state + bias, 4)
        cell = cell / (1 + np.exp(-forget)) + np.tanh(new) / (1 + np.exp(-inputs))
        state = np.tanh(cell) / (1 + np.exp(-output))
    return state


def test_attention_is_a_weighted_sum_over_pooled_frames():
    network = AttentiveCNN(frames=60, features=3, classes=4, channels=5).eval()
    frames = torch.randn(2, 60, 3)
    pooled = network.body(frames, torch.tensor([60, 60]))  # B, P, 2 C
    scores = torch.einsum("bpc,c->bp", pooled, network.attention.weight[0]) + network.attention.bias
    expected = torch.einsum("bpc,bp->bc", pooled, scores.softmax(dim=1))
    assert torch.allclose(network(frames, torch.tensor([60, 60]))[0], expected, atol=1e-6)


def test_a_segment_shorter_than_the_pooling_is_refused():
    with pytest.raises(ValueError, match="29 frames"):
        CNN(frames=29, features=13, classes=4)
