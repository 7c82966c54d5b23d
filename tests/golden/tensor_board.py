#!/usr/bin/env python3
"""Golden bytes of TensorBoard's event files.

    python3 tensor_board.py    # writes tensor_board.hex beside it, a record a line

Written with tensorboard 2.21: its RecordWriter and protocol buffers.
"""

import io
import pathlib

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


def scalars(**values):
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


EVENTS = [
    Event(wall_time=1.5, file_version="brain.Event:2"),
    Event(wall_time=2.5, step=34, summary=scalars(train_loss=0.25, valid_loss=0.1)),
    Event(wall_time=3.5, step=40000, summary=scalars(train_loss=0.25)),
]


def main():
    lines = []
    for event in EVENTS:
        file = io.BytesIO()
        RecordWriter(file).write(event.SerializeToString())
        lines.append(file.getvalue().hex())
    path = pathlib.Path(__file__).with_name("tensor_board.hex")
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
