"""A job that lasts until it is stopped; a run's container imports it."""

import time

import dagster as dg


@dg.op
def wait(context: dg.OpExecutionContext) -> None:
    context.log.info("at work")
    while True:
        time.sleep(0.1)


@dg.job
def waiting() -> None:
    wait()
