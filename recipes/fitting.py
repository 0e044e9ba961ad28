"""What training runs want: a learning rate that moves, a stopwatch, a progress bar."""

from __future__ import annotations

import statistics
import time

import keras
from tqdm.keras import TqdmCallback


def warmup_cosine(highest, steps, last=0.01):
    """Returns a schedule that rises for 5% of the steps and then falls along a cosine.

    The fall is as long as the whole run, which ends 5% before it.

    Args:
        highest: learning rate after the rise, ten times the first.
        steps: batches of the whole run.
        last: what the fall leads to, as a share of the highest.
    """
    return keras.optimizers.schedules.CosineDecay(
        highest / 10,
        steps,
        alpha=last,
        warmup_target=highest,
        warmup_steps=steps // 20,
    )


def progress_bar(name):
    """Returns a callback that shows how far a long run is, twice a minute."""
    return TqdmCallback(verbose=0, desc=name, mininterval=30)


class Stopwatch(keras.callbacks.Callback):
    """Takes the time of every epoch, on the clock and of the processor.

    Attributes:
        seconds: median of an epoch on the clock, validation counted.
        cpu_seconds: likewise of the processor, all threads together.
    """

    def on_train_begin(self, logs=None):
        self.times = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter(), time.process_time()
        self.times.append(
            [end - start for start, end in zip(self.start, now, strict=True)]
        )

    @property
    def seconds(self):
        return self._median(0)

    @property
    def cpu_seconds(self):
        return self._median(1)

    def _median(self, which):
        """None where a run that was broken off had all its epochs behind it."""
        return statistics.median(t[which] for t in self.times) if self.times else None
