"""What `--method prompt` would cost on a file, before it costs anything."""

from trifold.llm.asking_labeller import AskingLabeller
from trifold.llm.cost_estimate import Estimate
from trifold.methods.catalogue import method_entry
from trifold.methods.prompt import Prompting
from trifold.pipeline.request import Request, open_task
from trifold.tasks.labels import LabelMap
from trifold.types import single_texts


def expect(request: Request) -> Estimate:
    """Calls, tokens and seconds of `finetune --method prompt`: the test rows, and validation where that costs no money.

    Raises:
        TrifoldError: If anything given cannot be used.
    """
    task = open_task(request)
    method_entry("prompt").require_fit(task.split.train)
    method = Prompting(request.method_settings)
    labeller, _ = method.prepare(task.split.train, LabelMap.of(task.data.examples.labels))
    test = labeller.expect(single_texts(task.split.test.texts))
    if isinstance(labeller, AskingLabeller):
        return test
    return test + labeller.expect(single_texts(task.split.validation.texts))
