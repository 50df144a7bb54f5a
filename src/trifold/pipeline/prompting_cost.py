"""What `--method prompt` would cost on a file, before it costs anything."""

from trifold.llm.cost_estimate import Estimate
from trifold.llm.generation_labeller import GenerationLabeller
from trifold.methods.prompt import Prompting
from trifold.pipeline.request import Request, open_task
from trifold.tasks.labels import LabelMap


def expect(request: Request) -> Estimate:
    """Calls, tokens and seconds of `finetune --method prompt`: the test rows, and validation where that costs no money.

    Raises:
        TrifoldError: If anything given cannot be used.
    """
    task = open_task(request)
    method = Prompting(request.method_settings)
    labeller, _ = method.prepare(task.split.train, LabelMap.of(task.data.examples.labels))
    test = labeller.expect(task.split.test.texts)
    return test if isinstance(labeller, GenerationLabeller) else test + labeller.expect(task.split.validation.texts)
