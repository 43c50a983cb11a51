"""The name of every log event: noun and past verb. Keys carry their units."""

from __future__ import annotations

from enum import StrEnum


class LogEvent(StrEnum):
    """All names that may stand in the `event` key. Notes of the engine bring their own names (`Step.notes`)."""

    RUN_STARTED = "run_started"
    RUN_ENDED = "run_ended"
    STOP_REQUESTED = "stop_requested"
    STOP_TIMED_OUT = "stop_timed_out"
    HEARTBEAT = "heartbeat"
    ORDER_REFUSED = "order_refused"
    ORDER_HELD_BACK = "order_held_back"
    SEND_FAILED = "send_failed"
    REBALANCE_DONE = "rebalance_done"
    COMMIT_FAILED = "commit_failed"
    STORAGE_RESTORED = "storage_restored"
    SNAPSHOT_WRITTEN = "snapshot_written"
    SNAPSHOT_FAILED = "snapshot_failed"
    RECOVERY_DONE = "recovery_done"
    KILL_LATCH_SET = "kill_latch_set"
    KILL_LATCH_FAILED = "kill_latch_failed"
    KILL_LATCH_CLEARED = "kill_latch_cleared"
    OPERATOR_ORDERED = "operator_ordered"
    CLOCK_JUMPED = "clock_jumped"
    LOOP_LAGGED = "loop_lagged"
    TASK_FAILED = "task_failed"
    TASK_GIVEN_UP = "task_given_up"
    ALERT_RAISED = "alert_raised"
    ALERT_COMMAND_FAILED = "alert_command_failed"
    CONTROL_CLIENT_REFUSED = "control_client_refused"
    CONTROL_LISTENING = "control_listening"
    LOG_FILE_FAILED = "log_file_failed"
