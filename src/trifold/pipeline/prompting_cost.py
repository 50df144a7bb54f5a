"""What a method that asks a language model would cost on a file, before it costs anything."""

from trifold.llm.asking_labeller import AskingLabeller
from trifold.llm.cost_estimate import Estimate
from trifold.methods.catalogue import method_entry
from trifold.methods.prompt import Prompting
from trifold.pipeline.request import Request, open_task
from trifold.tasks.labels import LabelMap
from trifold.types import single_texts


def expect(request: Request, name: str = Prompting.name) -> Estimate:
    """Calls, tokens and seconds of `finetune`: the test rows, and validation where it is read and costs no money.

    Args:
        request: What was asked for.
        name: The method.

    Raises:
        TrifoldError: If anything given cannot be used.
    """
    task = open_task(request)
    entry = method_entry(name)
    entry.require_fit(task.split.train)
    method = entry.load()(request.for_method(name).method_settings)
    assert isinstance(method, Prompting)
    labeller, _ = method.prepare(task.split.train, LabelMap.of(task.data.examples.labels))
    test = labeller.expect(single_texts(task.split.test.texts))
    if isinstance(labeller, AskingLabeller) or not method.uses_labels:
        return test
    return test + labeller.expect(single_texts(task.split.validation.texts))
