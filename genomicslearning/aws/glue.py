"""Build the training set in the data lake with the deployed Glue job: start it, follow it, wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from genomicslearning import InputError
from genomicslearning.aws.account import Account, aws_errors, poll

LAST_LINES = 20
_RUNNING = ("STARTING", "RUNNING", "WAITING", "STOPPING")


def build_training_set(account: Account, *, pick: str, progress: Callable[[str], None]) -> None:
    """Run `create-training-set` on the lake's VCFs; it writes the lake's training set. A run that goes on is joined.

    What the job prints is told as it comes. Raises `InputError` with Glue's reason where the run fails, after the last
    lines of Spark's own log. An interrupted wait leaves the run going, to be joined.
    """
    with aws_errors():
        client, job = account.client("glue"), account.training_set_job
        run = _running(client, job)
        if run:
            progress(f"joined the run {run} of {job}")
        else:
            run = _start(client, job, {"--pick": pick}, progress)
        _follow(account, job, run, progress)


def run_job(account: Account, job: str, arguments: dict[str, str], *, progress: Callable[[str], None]) -> None:
    """Run a job with these arguments beside its own and wait for its end; as `build_training_set`, but never joined."""
    with aws_errors():
        _follow(account, job, _start(account.client("glue"), job, arguments, progress), progress)


def start_crawler(name: str) -> None:
    """Have a crawler look at what a job has written, which makes or updates its table; one that runs already will do.

    Called by the jobs' scripts, under the job's role and in its region.
    """
    import boto3

    client = boto3.client("glue")
    try:
        client.start_crawler(Name=name)
    except client.exceptions.CrawlerRunningException:
        pass


def taken(argv: list[str], name: str) -> tuple[list[str], str]:
    """A job's arguments without one and its value, and that value; empty where it is not given."""
    if name not in argv:
        return argv, ""
    place = argv.index(name)
    return [*argv[:place], *argv[place + 2 :]], (argv[place + 1 : place + 2] or [""])[0]


def _start(client, job: str, arguments: dict[str, str], progress: Callable[[str], None]) -> str:
    run = client.start_job_run(JobName=job, Arguments=arguments)["JobRunId"]
    progress(f"started {job}, run {run}")
    return run


def _follow(account: Account, job: str, run: str, progress: Callable[[str], None]) -> None:
    client, written = account.client("glue"), _Log(account, "output", run)

    def status() -> str | None:
        state = client.get_job_run(JobName=job, RunId=run)["JobRun"]["JobRunState"]
        for line in written.new_lines():
            progress(line)
        return state if state in _RUNNING else None

    poll(status, progress)
    ended = client.get_job_run(JobName=job, RunId=run)["JobRun"]
    if ended["JobRunState"] != "SUCCEEDED":
        for line in _Log(account, "error", run).last_lines():
            progress(line)
        reason, state = ended.get("ErrorMessage") or "Glue gives no reason", ended["JobRunState"].lower()
        raise InputError(f"{job} {state}: {reason}; see {account.job_log}/error, stream {run}")


def _running(client, job: str) -> str | None:
    runs = client.get_job_runs(JobName=job, MaxResults=10)["JobRuns"]
    return next((run["Id"] for run in runs if run["JobRunState"] in _RUNNING), None)


class _Log:
    """The run's streams in one of the two log groups of Glue 5: what the script prints, and Spark's own lines."""

    def __init__(self, account: Account, kind: str, run: str):
        self._client, self._group, self._run = account.client("logs"), f"{account.job_log}/{kind}", run
        self._places: dict[str, str] = {}

    def new_lines(self) -> Iterator[str]:
        """What was written since the last call."""
        for stream in self._streams():
            while True:
                place = {"nextToken": self._places[stream]} if stream in self._places else {}
                answer = self._events(stream, startFromHead=True, **place)
                self._places[stream] = answer["nextForwardToken"]
                if not answer["events"]:  # the end of what is there; the token stays good for what follows
                    break
                yield from (event["message"].rstrip() for event in answer["events"])

    def last_lines(self) -> list[str]:
        """The end of each stream."""
        events = [self._events(stream, limit=LAST_LINES)["events"] for stream in self._streams()]
        return [event["message"].rstrip() for of_stream in events for event in of_stream]

    def _events(self, stream: str, **more) -> dict:
        return self._client.get_log_events(logGroupName=self._group, logStreamName=stream, **more)

    def _streams(self) -> list[str]:
        pages = self._client.get_paginator("describe_log_streams")
        pages = pages.paginate(logGroupName=self._group, logStreamNamePrefix=self._run)
        try:
            return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
        except self._client.exceptions.ResourceNotFoundException:
            return []  # somebody deleted the group: the run goes on all the same
