"""``python -m ser.run`` that notes in a file when its first training step was done, for (e).

Workers import the main module: so the first step is seen in whichever process it happens.
"""

import time
from pathlib import Path
from typing import Any

from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.startup import NOTE


def _note(*_: Any) -> None:
    if not Path(NOTE).exists():
        Path(NOTE).write_text(repr(time.time()), encoding="utf-8")


register_optimizer_step_post_hook(_note)

if __name__ == "__main__":
    from ser.run import main

    main()
