#!/bin/sh
# Tells Snakemake how the PBS Pro job $1 fares: running, success or failed.
# -x shows ended jobs too, where the server keeps a history (job_history_enable).
# LSF: case $(bjobs -noheader -o stat "$1") in DONE) success, EXIT|UNKWN|ZOMBI) failed, *) running.

job=$(qstat -x -f "$1" 2>&1)
case $job in
*"Unknown Job Id"*)
    echo "the server has forgotten job $1; is its job history switched off?" >&2
    echo failed
    ;;
*"job_state = F"*)
    case $job in
    *"Exit_status = 0"*) echo success ;;
    *) echo failed ;;
    esac
    ;;
*) # waiting, running, or no answer now: ask again later
    echo running
    ;;
esac
