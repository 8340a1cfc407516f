#!/bin/sh
# One word for a job of Slurm: running, success or failed. A job that Slurm has forgotten did not end in our time.
case "$(squeue --noheader --states=all --format=%T --jobs="$1" 2>/dev/null)" in
PENDING | CONFIGURING | RUNNING | COMPLETING | SUSPENDED | REQUEUED | STOPPED) echo running ;;
COMPLETED) echo success ;;
*) squeue --me >/dev/null 2>&1 && echo failed || echo running ;; # no answer from Slurm says nothing of the job
esac
