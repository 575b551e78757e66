"""Tasks that wait for a token, as Step Functions has them.

In MiniStack (1.5.33) a function that fails to take a token is not noticed, so that its task waits out
its time; and the token of a stopped execution still counts as awaited, so that its waker believes to
have woken somebody. Both would hide what a dead driver costs.
"""

import threading

from ministack.core.responses import error_response_json
from ministack.services import stepfunctions

here = threading.local()


def install() -> None:
    """Ties each token to its execution and to the call that was to take it."""
    execute_task = stepfunctions._execute_task
    invoke_with_callback = stepfunctions._invoke_with_callback
    call_lambda = stepfunctions._call_lambda
    send_task_success = stepfunctions._send_task_success
    executions: dict[str, dict] = {}

    def with_execution(state, raw_input, execution, context):
        here.execution, before = execution, getattr(here, "execution", None)
        try:
            return execute_task(state, raw_input, execution, context)
        finally:
            here.execution = before

    def with_token(resource, arguments, token, state):
        here.token = token
        executions[token] = here.execution
        try:
            return invoke_with_callback(resource, arguments, token, state)
        finally:
            here.token = None
            executions.pop(token, None)

    def noticed(function, event):
        try:
            return call_lambda(function, event)
        except stepfunctions._ExecutionError as error:
            waiting = stepfunctions._task_tokens.get(getattr(here, "token", None))
            if waiting is not None:
                waiting["error"] = {"Error": error.error, "Cause": error.cause}
                waiting["event"].set()
            raise

    def unless_stopped(request):
        execution = executions.get(request.get("taskToken"))
        if execution is not None and execution["status"] != "RUNNING":
            return error_response_json("TaskTimedOut", "Provided task does not exist anymore", 400)
        return send_task_success(request)

    stepfunctions._execute_task = with_execution
    stepfunctions._invoke_with_callback = with_token
    stepfunctions._call_lambda = noticed
    stepfunctions._send_task_success = unless_stopped
