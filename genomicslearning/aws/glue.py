"""Build the training set in the data lake with the deployed Glue job: start it, follow it, wait for it."""

from __future__ import annotations

from collections.abc import Callable

from genomicslearning import InputError, aws

_RUNNING = ("STARTING", "RUNNING", "WAITING", "STOPPING")


def build_training_set(account: aws.Account, *, pick: str, progress: Callable[[str], None]) -> None:
    """Run `create-training-set` on the lake's VCFs; it writes the lake's training set. A run that goes on is joined.

    Raises `InputError` with Glue's reason where the run fails. An interrupted wait leaves the run going, to be joined.
    """
    with aws.explained():
        client = account.client("glue")
        run = _running(client, account.training_set_job)
        if run:
            progress(f"joined the run {run} of {account.training_set_job}")
        else:
            arguments = {"--pick": pick}
            run = client.start_job_run(JobName=account.training_set_job, Arguments=arguments)["JobRunId"]
            progress(f"started {account.training_set_job}, run {run}")
        log = _Log(account, run, progress)

        def status() -> str | None:
            state = client.get_job_run(JobName=account.training_set_job, RunId=run)["JobRun"]["JobRunState"]
            log.tell()
            return state if state in _RUNNING else None

        aws.poll(status, progress)
        ended = client.get_job_run(JobName=account.training_set_job, RunId=run)["JobRun"]
        if ended["JobRunState"] != "SUCCEEDED":
            reason = ended.get("ErrorMessage") or "Glue gives no reason"
            state = ended["JobRunState"].lower()
            raise InputError(f"{account.training_set_job} {state}: {reason}; see the log {log.group}")


def _running(client, job: str) -> str | None:
    runs = client.get_job_runs(JobName=job, MaxResults=10)["JobRuns"]
    return next((run["Id"] for run in runs if run["JobRunState"] in _RUNNING), None)


class _Log:
    """The run's lines in CloudWatch, told once each."""

    def __init__(self, account: aws.Account, run: str, progress: Callable[[str], None]):
        self.group = account.job_log
        self._client, self._run, self._progress, self._seen = account.client("logs"), run, progress, set()

    def tell(self) -> None:
        wanted = {"logGroupName": self.group, "logStreamNamePrefix": self._run}
        try:
            pages = self._client.get_paginator("filter_log_events").paginate(**wanted)
            events = [event for page in pages for event in page["events"]]
        except self._client.exceptions.ResourceNotFoundException:
            return  # no line has been written yet
        for event in events:
            if event["eventId"] not in self._seen:
                self._seen.add(event["eventId"])
                self._progress(event["message"].rstrip())
