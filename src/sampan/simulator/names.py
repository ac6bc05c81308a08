"""Labels and annotations by which people steer the simulation."""

from sampan.api.simulated import SIMULATED

SELECTOR = f"{SIMULATED}=true"

PREFIX = "simulate.sampan.io/"  # of annotations on Pods (their templates) and, for all their Pods, on Nodes
START_AFTER = PREFIX + "start-after"  # a duration: so long the containers are being created
RUN_FOR = PREFIX + "run-for"  # a duration: so long the containers run
JOB_TIME = PREFIX + "job-time"  # the same for Pods of Jobs alone
EXIT_CODE = PREFIX + "exit-code"  # of the containers, when they end
FAIL_RATE = PREFIX + "fail-rate"  # 0 to 1: the share of Pods that end with exit code 1
WAITING = PREFIX + "waiting"  # a reason (ErrImagePull): the containers never start
STOP_AFTER = PREFIX + "stop-after"  # a duration: so long a deleted Pod takes to stop
DOWN = PREFIX + "down"  # "true" on a Node: it is silent, as one that lost its power
