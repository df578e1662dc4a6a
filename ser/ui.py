"""``python -m ser.ui``: start MLflow's UI on this folder's runs, and print the address of their table."""

import os
import subprocess
import sys

from ser.config.words import assignments
from ser.system.command import run_command

_HELP = """MLflow's UI, opened on the runs sorted by WA.

  python -m ser.ui                                  the store that a sweep here would use
  python -m ser.ui port=5001 experiment=ser uri=sqlite:////path/to/mlflow.db"""


def main(arguments: list[str]) -> int:
    """Start the server and wait until it ends.

    Args:
        arguments: ``port=``, ``experiment=`` and ``uri=``, or ``--help``.

    Returns:
        The exit status.

    Raises:
        UserError: an argument is not understood.
    """
    if {"-h", "--help"} & set(arguments):
        print(_HELP)
        return 0
    given = assignments(arguments, {"port": "5000", "experiment": "ser", "uri": ""})
    from ser.results.mlflow import page, resolve_uri

    uri = resolve_uri(given["uri"])
    print(f"http://127.0.0.1:{given['port']}{page(uri, given['experiment'])}", flush=True)
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--port", given["port"]]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    try:
        return subprocess.run([*command, "--backend-store-uri", uri], env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
