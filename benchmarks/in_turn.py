"""``python -m ser.run`` whose jobs train one after another, each for itself, as under another launcher; for (h)."""

if __name__ == "__main__":
    from ser import run
    from ser.sweep import queue

    queue.train_all = lambda jobs: {}
    run.main()
