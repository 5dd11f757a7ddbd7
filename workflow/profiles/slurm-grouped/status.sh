#!/bin/sh
# Tells Snakemake how the Slurm job $1 fares: running, success or failed.
# squeue knows a job until some minutes after its end (MinJobAge), sacct for ever where there is
# a database of jobs.

state=$(squeue -h -t all -o %T -j "$1" 2>&1)
case $state in
*"Invalid job id"*)
    state=$(sacct -nXP -o State -j "$1" 2>/dev/null | tail -n 1)
    [ -n "$state" ] || state="FAILED, or so it seems: neither squeue nor sacct knows job $1"
    ;;
esac
case $state in
COMPLETED) echo success ;;
BOOT_FAIL* | CANCELLED* | DEADLINE* | FAILED* | NODE_FAIL* | OUT_OF_MEMORY* | TIMEOUT*)
    echo "Slurm's job $1: $state" >&2
    echo failed
    ;;
*) # waiting, running, or no answer now: ask again later
    echo running
    ;;
esac
