"""The diagram has the parts of the stack, and no others."""

from __future__ import annotations

import json

from pictures.architecture import BOXES, draw_architecture
from pictures.svg import texts_of
from tests.docs.pages import ROOT

# What belongs to another part, or to the service account, which no line passes.
DETAILS = {
    *("ApiGatewayV2::Integration", "ApiGatewayV2::Route", "ApiGatewayV2::Stage"),
    *("IAM::AccessKey", "IAM::Group", "IAM::ManagedPolicy", "IAM::Role", "IAM::User"),
    *("Lambda::EventInvokeConfig", "Lambda::EventSourceMapping", "Lambda::Permission"),
    *("SNS::TopicPolicy", "SQS::QueuePolicy"),
}


def test_its_boxes_stand_for_the_resources_of_the_stack() -> None:
    template = json.loads((ROOT / "tests/infra/snapshots/default.json").read_text())
    deployed = {one["Type"].removeprefix("AWS::") for one in template["Resources"].values()}
    assert {kind for box in BOXES for kind in box.resources} == deployed - DETAILS
    assert deployed >= DETAILS


def test_every_box_has_its_text_in_it() -> None:
    texts = texts_of(draw_architecture())
    for box in BOXES:
        for line in box.lines:
            assert line in texts
            assert len(line) * 7 <= box.place[2], line
