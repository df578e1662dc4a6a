"""The true length of an MP3 file, which libsndfile only estimates where the file does not state it."""

_BITRATES = {  # kbit/s of layer III, by MPEG-1 or not; 0 and 15 are "free" and "bad"
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
_RATES = {3: (44100, 48000, 32000, 0), 2: (22050, 24000, 16000, 0), 0: (11025, 12000, 8000, 0), 1: (0, 0, 0, 0)}
_LAYER_3 = 1

DELAY = 4 * 1152
"""So many samples more than the sound may be there: the encoder's delay and padding, a frame with the file's length."""


def samples(data: bytes) -> int:
    """Count the samples of an MP3 file's frames, by their headers (ISO/IEC 11172-3, 2.4.2.3; 13818-3 for lower rates).

    Tags before, between and behind the frames are skipped. Counting ends at what is neither a tag nor a frame.

    Args:
        data: the content of the file.

    Returns:
        Samples of one channel, the encoder's delay and padding included.
    """
    position, count = 0, 0
    while position + 4 <= len(data):
        head = data[position : position + 4]
        if head[:3] == b"ID3" and position + 10 <= len(data):
            size = data[position + 6 : position + 10]
            position += 10 + sum((byte & 127) << (7 * power) for power, byte in enumerate(reversed(size)))
        elif head[:3] == b"TAG":
            position += 128
        elif step := _frame(head):
            position, count = position + step[0], count + step[1]
        else:
            break
    return count


def _frame(head: bytes) -> tuple[int, int] | None:
    """Bytes and samples of the frame that begins with these four bytes; None if they are no header of layer III."""
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    first = version == 3
    bitrate, rate = _BITRATES[first][head[2] >> 4], _RATES[version][head[2] >> 2 & 3]
    if head[0] != 255 or head[1] & 0xE0 != 0xE0 or layer != _LAYER_3 or not bitrate or not rate:
        return None
    size = 1152 if first else 576
    return size // 8 * 1000 * bitrate // rate + (head[2] >> 1 & 1), size
