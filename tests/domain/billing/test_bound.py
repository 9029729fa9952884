from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.billing.bound import (
    OVERHEAD_TOKENS,
    PARTIAL_IMAGE_TOKENS,
    BeyondMeans,
    Bound,
    choose_hold,
    hold_nanos,
    input_bound_tokens,
    output_bound_tokens,
    output_limit_to_send,
)
from app.domain.billing.bound_facts import (
    BoundFacts,
    PictureMaximum,
    bound_facts,
    dearest_facts,
)
from app.domain.billing.request_shape import RequestShape, measure_request
from app.domain.catalog.kinds import Ability, ModelKind
from app.domain.catalog.pricing import Prices, PriceSheet, Tier, UnpricedUnit
from app.domain.catalog.starting import starting_models
from app.domain.catalog.units import INPUT_UNITS, OUTPUT_UNITS, Unit

CHAT, EMBEDDING, IMAGES = ModelKind.CHAT, ModelKind.EMBEDDING, ModelKind.IMAGE_GENERATION
TRIAL_NANOS = 200_000_000
TODAY = date(2026, 11, 24)

PRICE = st.integers(0, 10**11)
TIER_PRICES = st.dictionaries(st.sampled_from(sorted(INPUT_UNITS | OUTPUT_UNITS)), PRICE)


@st.composite
def sheets(draw):
    base = draw(TIER_PRICES) | {Unit.INPUT: draw(PRICE), Unit.OUTPUT: draw(PRICE)}
    if draw(st.booleans()):
        base |= {
            Unit.IMAGE: draw(st.integers(0, 10**14)),
            Unit.REQUEST: draw(st.integers(0, 10**14)),
        }
    bounds = sorted(draw(st.sets(st.integers(1, 100_000), max_size=2)))
    tiers = tuple(Tier(bound, Prices(draw(TIER_PRICES))) for bound in bounds)
    return PriceSheet(Prices(base), tiers)


GROWING = ["text_bytes", "pictures", "sounds", "unknown_parts", "n", "partial_pictures"]
COUNT = st.integers(0, 3)
SHAPES = st.builds(
    RequestShape,
    kind=st.sampled_from([CHAT, EMBEDDING, IMAGES]),
    text_bytes=st.integers(0, 300_000),
    text_tokens=st.none() | st.integers(0, 300_000),
    pictures=COUNT,
    sounds=COUNT,
    unknown_parts=st.integers(0, 1),
    n=st.integers(1, 4),
    best_of=st.integers(1, 4),
    prompts=st.integers(1, 4),
    output_limit=st.none() | st.integers(1, 200_000),
    partial_pictures=COUNT,
    picture_size=st.sampled_from([None, "small", "large"]),
    picture_quality=st.sampled_from([None, "low", "high"]),
)
LIMIT = st.none() | st.integers(1, 2_000_000)
FACTS = st.builds(
    bound_facts,
    max_input_tokens=LIMIT,
    max_output_tokens=LIMIT,
    max_tokens_per_input_image=LIMIT,
    max_tokens_per_input_sound=LIMIT,
    max_tokens_per_output_image=LIMIT,
    picture_maxima=st.lists(
        st.builds(
            PictureMaximum,
            size=st.sampled_from(["small", "large"]),
            quality=st.sampled_from(["low", "high"]),
            tokens=st.integers(1, 9000),
        ),
        max_size=3,
    ).map(tuple),
    is_reasoning=st.booleans(),
    output_limit_includes_reasoning=st.booleans(),
    reasoning_maximum_tokens=LIMIT,
    enforces_output_maximum=st.booleans(),
)


def prices(**usd: str) -> PriceSheet:
    return PriceSheet(Prices.from_usd(per_million=usd))


def chat(**values: int) -> RequestShape:
    return RequestShape(kind=CHAT, **{"text_bytes": 0, **values})


def split(draw, total, units):
    """Disjoint quantities of `units`, together at most `total`."""
    quantities = {}
    for unit in units:
        quantities[unit] = draw(st.integers(0, total))
        total -= quantities[unit]
    return quantities


def reachable_input_units(shape):
    text = [Unit.INPUT, Unit.CACHED_INPUT, Unit.CACHE_WRITE, Unit.CACHE_WRITE_1H]
    if shape.unknown_parts:
        return sorted(INPUT_UNITS)
    pictures = [Unit.IMAGE_INPUT, Unit.CACHED_IMAGE_INPUT] if shape.pictures else []
    return text + pictures + ([Unit.AUDIO_INPUT] if shape.sounds else [])


@given(st.data(), sheets(), FACTS, SHAPES)
def test_no_plausible_usage_costs_more_than_the_bound(data, sheet, facts, shape):
    shape = shape._replace(text_tokens=None)
    total_in = input_bound_tokens(facts, shape)
    total_out = output_bound_tokens(facts, shape, output_limit=shape.output_limit)
    usage = split(data.draw, total_in, data.draw(st.permutations(reachable_input_units(shape))))
    usage |= split(data.draw, total_out, data.draw(st.permutations(sorted(OUTPUT_UNITS))))
    if sheet.prices.price_of(Unit.REQUEST) is not None:
        usage[Unit.REQUEST] = 1
    if shape.kind is IMAGES and sheet.prices.price_of(Unit.IMAGE) is not None:
        usage[Unit.IMAGE] = shape.answers
        if data.draw(st.booleans(), label="reported without tokens"):
            usage = {unit: usage[unit] for unit in usage if unit in (Unit.IMAGE, Unit.REQUEST)}
    held = hold_nanos(sheet, facts=facts, shape=shape, output_limit=shape.output_limit)
    assert sheet.cost_nanos(usage) <= held


@given(sheets(), FACTS, SHAPES, st.integers(0, 10**13))
def test_a_chosen_hold_is_affordable_and_equals_the_bound_of_its_limit(
    sheet, facts, shape, available_nanos
):
    choice = choose_hold(sheet, facts=facts, shape=shape, available_nanos=available_nanos)
    if isinstance(choice, BeyondMeans):
        assert choice.needed_nanos > available_nanos
        return
    limit = choice.chosen_output_limit or shape.output_limit
    assert choice.amount_nanos <= available_nanos
    assert choice.amount_nanos == hold_nanos(sheet, facts=facts, shape=shape, output_limit=limit)
    assert choice.output_bound_tokens == output_bound_tokens(facts, shape, output_limit=limit)


@given(sheets(), FACTS, SHAPES, st.integers(0, 10**12))
def test_the_affordable_limit_of_a_refusal_is_the_largest_that_passes(
    sheet, facts, shape, available_nanos
):
    shape = shape._replace(kind=CHAT)
    choice = choose_hold(sheet, facts=facts, shape=shape, available_nanos=available_nanos)
    if isinstance(choice, Bound):
        return
    affordable = choice.affordable_output_limit

    def passes(limit):
        asked = shape._replace(output_limit=limit)
        return isinstance(
            choose_hold(sheet, facts=facts, shape=asked, available_nanos=available_nanos), Bound
        )

    assert affordable == 0 or passes(affordable)
    assert affordable == facts.max_output_tokens or not passes(affordable + 1)


@given(sheets(), FACTS, SHAPES, st.sampled_from(GROWING))
def test_the_bound_never_shrinks_when_the_request_grows(sheet, facts, shape, name):
    larger = shape._replace(**{name: getattr(shape, name) + 1})
    limit = shape.output_limit
    assert hold_nanos(sheet, facts=facts, shape=larger, output_limit=limit) >= hold_nanos(
        sheet, facts=facts, shape=shape, output_limit=limit
    )


@given(sheets(), st.lists(FACTS, min_size=1, max_size=3), SHAPES)
def test_dearest_facts_cover_every_candidate(sheet, candidates, shape):
    limit = shape.output_limit
    together = dearest_facts(candidates)
    dearest = hold_nanos(sheet, facts=together, shape=shape, output_limit=limit)
    for facts in candidates:
        assert hold_nanos(sheet, facts=facts, shape=shape, output_limit=limit) <= dearest
        assert together.max_output_tokens >= facts.max_output_tokens


FLAT = bound_facts(max_input_tokens=100_000, max_output_tokens=16_384)


def test_text_is_a_token_a_byte_and_at_most_the_window():
    assert input_bound_tokens(FLAT, chat(text_bytes=500)) == 500 + OVERHEAD_TOKENS
    assert input_bound_tokens(FLAT, chat(text_bytes=10**6)) == 100_000


def test_pictures_sounds_and_unknown_parts_add_up_beyond_the_text():
    shape = chat(text_bytes=10**6, pictures=2, sounds=1, unknown_parts=2)
    # A sound of unstated maximum may fill the window, as an unknown part may.
    assert input_bound_tokens(FLAT, shape) == 100_000 + 2 * 5_000 + 3 * 100_000
    stated = replace(FLAT, max_tokens_per_input_image=1_445)
    assert input_bound_tokens(stated, chat(pictures=2)) == OVERHEAD_TOKENS + 2 * 1_445


def test_tokenised_text_replaces_bytes_only_where_it_is_less():
    shape = chat(text_bytes=4_000)
    assert input_bound_tokens(FLAT, shape._replace(text_tokens=1_300)) == 1_300 + OVERHEAD_TOKENS
    assert input_bound_tokens(FLAT, shape._replace(text_tokens=9_000)) == 4_000 + OVERHEAD_TOKENS


def test_each_input_of_an_embeddings_call_has_the_window_to_itself():
    facts = bound_facts(max_input_tokens=8_191)
    shape = RequestShape(kind=EMBEDDING, text_bytes=100_000, prompts=3)
    assert input_bound_tokens(facts, shape) == 3 * 8_191
    sheet = prices(input="0.02", output="5")
    assert hold_nanos(sheet, facts=facts, shape=shape) == 3 * 8_191 * 20


def test_output_is_the_limit_times_the_answers():
    shape = chat(n=2, best_of=3, prompts=2)
    assert output_bound_tokens(FLAT, shape, output_limit=100) == 600
    assert output_bound_tokens(FLAT, shape, output_limit=None) == 6 * 16_384


def test_a_limit_above_the_maximum_is_held_in_full_unless_the_channel_enforces_it():
    assert output_bound_tokens(FLAT, chat(), output_limit=10**6) == 16_384
    loose = replace(FLAT, enforces_output_maximum=False)
    assert output_bound_tokens(loose, chat(), output_limit=10**6) == 10**6


@pytest.mark.parametrize(("stated", "beside"), [(500, 500), (None, 16_384)])
def test_reasoning_beside_the_limit_is_added(stated, beside):
    facts = bound_facts(
        max_output_tokens=16_384,
        is_reasoning=True,
        output_limit_includes_reasoning=False,
        reasoning_maximum_tokens=stated,
    )
    assert output_bound_tokens(facts, chat(n=2), output_limit=100) == 2 * (100 + beside)


def test_each_side_is_held_at_the_dearest_it_can_become():
    tiers = (Tier(OVERHEAD_TOKENS, Prices({Unit.OUTPUT: 40 * 10**6})),)
    sheet = PriceSheet(
        Prices(
            {
                Unit.INPUT: 10**6,
                Unit.CACHE_WRITE: 2 * 10**6,
                Unit.AUDIO_INPUT: 9 * 10**6,
                Unit.OUTPUT: 10 * 10**6,
                Unit.REASONING: 20 * 10**6,
            }
        ),
        tiers,
    )
    below = hold_nanos(sheet, facts=FLAT, shape=chat(), output_limit=10)
    assert below == OVERHEAD_TOKENS * 2 + 10 * 20
    above = hold_nanos(sheet, facts=FLAT, shape=chat(text_bytes=1), output_limit=10)
    assert above == (OVERHEAD_TOKENS + 1) * 2 + 10 * 40
    brief = replace(FLAT, max_tokens_per_input_sound=5_000)
    heard = hold_nanos(sheet, facts=brief, shape=chat(sounds=1), output_limit=10)
    assert heard == (OVERHEAD_TOKENS + 5_000) * 9 + 10 * 40


def test_half_of_what_is_left_buys_the_limit_when_the_caller_gives_none():
    sheet = prices(input="0", output="1")
    choice = choose_hold(sheet, facts=FLAT, shape=chat(), available_nanos=10_000_000)
    assert choice == Bound(5_000_000, OVERHEAD_TOKENS, 5_000, 5_000, False)
    rich = choose_hold(sheet, facts=FLAT, shape=chat(), available_nanos=10**12)
    assert rich.chosen_output_limit == 16_384


def test_a_poor_key_spends_all_it_has_rather_than_half():
    sheet = prices(input="0", output="1")
    choice = choose_hold(sheet, facts=FLAT, shape=chat(), available_nanos=2_000_000)
    assert choice.chosen_output_limit == 2_000
    at_least = choose_hold(sheet, facts=FLAT, shape=chat(), available_nanos=1_024_000)
    assert at_least.chosen_output_limit == 1_024


@pytest.mark.parametrize(
    ("facts", "least"),
    [
        (FLAT, 1_024),
        (bound_facts(max_output_tokens=300), 300),
        (bound_facts(max_output_tokens=16_384, is_reasoning=True), 4_096),
        (bound_facts(max_output_tokens=2_000, is_reasoning=True), 2_000),
    ],
)
def test_fewer_tokens_than_useful_are_refused_with_what_is_needed(facts, least):
    sheet = prices(input="0", output="1")
    available = least * 1_000 - 1
    choice = choose_hold(sheet, facts=facts, shape=chat(), available_nanos=available)
    assert choice == BeyondMeans(least * 1_000, least - 1)
    enough = choose_hold(sheet, facts=facts, shape=chat(), available_nanos=available + 1)
    assert enough.chosen_output_limit == least


def test_reasoning_beside_the_limit_is_paid_before_the_limit_is_chosen():
    sheet = prices(input="0", output="1")
    facts = bound_facts(
        max_output_tokens=16_384,
        is_reasoning=True,
        output_limit_includes_reasoning=False,
        reasoning_maximum_tokens=3_000,
    )
    choice = choose_hold(sheet, facts=facts, shape=chat(n=2), available_nanos=40_000_000)
    assert choice == Bound(20_000_000, OVERHEAD_TOKENS, 20_000, 7_000, False)
    short = choose_hold(sheet, facts=facts, shape=chat(n=2), available_nanos=10_000_000)
    assert short == BeyondMeans(2 * (4_096 + 3_000) * 1_000, 2_000)


def test_a_price_per_request_is_held_once():
    sheet = PriceSheet(
        Prices.from_usd(per_million={"input": "0", "output": "1"}, per_one={"request": "0.01"})
    )
    assert hold_nanos(sheet, facts=FLAT, shape=chat(n=2), output_limit=10) == 10_000_000 + 20_000


def test_an_explicit_limit_is_held_as_it_is_or_refused():
    sheet = prices(input="0", output="1")
    shape = chat(output_limit=50, n=2)
    held = choose_hold(sheet, facts=FLAT, shape=shape, available_nanos=100_000)
    assert held == Bound(100_000, OVERHEAD_TOKENS, 100, None, False)
    refused = choose_hold(sheet, facts=FLAT, shape=shape, available_nanos=99_999)
    assert refused == BeyondMeans(100_000, 49)


def test_nothing_is_affordable_when_the_prompt_alone_is_too_dear():
    sheet = prices(input="1000", output="1")
    choice = choose_hold(sheet, facts=FLAT, shape=chat(output_limit=5), available_nanos=1_000)
    assert choice.affordable_output_limit == 0


def test_text_is_tokenised_only_when_its_bytes_are_not_affordable():
    sheet = prices(input="1", output="1")
    shape = chat(text_bytes=8_000, output_limit=10)
    tokenised = shape._replace(text_tokens=2_000)

    def choose(asked, available_nanos):
        return choose_hold(sheet, facts=FLAT, shape=asked, available_nanos=available_nanos)

    in_bytes = (8_000 + OVERHEAD_TOKENS + 10) * 1_000
    assert choose(shape, in_bytes) == Bound(in_bytes, 8_000 + OVERHEAD_TOKENS, 10, None, False)
    assert isinstance(choose(shape, in_bytes - 1), BeyondMeans)
    counted = (2_000 + OVERHEAD_TOKENS + 10) * 1_000
    assert choose(tokenised, counted) == Bound(counted, 8_000 + OVERHEAD_TOKENS, 10, None, True)
    assert choose(tokenised, counted - 1) == BeyondMeans(counted, 9)


def test_free_output_buys_the_maximum_and_a_debt_buys_nothing():
    sheet = prices(input="1", output="0")
    prompt_nanos = OVERHEAD_TOKENS * 1_000
    choice = choose_hold(sheet, facts=FLAT, shape=chat(), available_nanos=prompt_nanos)
    assert choice.chosen_output_limit == 16_384
    short = choose_hold(sheet, facts=FLAT, shape=chat(), available_nanos=prompt_nanos - 1)
    assert short == BeyondMeans(prompt_nanos, 0)


def test_a_chosen_limit_is_sent_when_it_is_below_the_maximum_or_nobody_enforces_one():
    assert output_limit_to_send(16_383, FLAT) == 16_383
    assert output_limit_to_send(16_384, FLAT) is None
    assert output_limit_to_send(20_000, FLAT) is None
    assert output_limit_to_send(16_384, replace(FLAT, enforces_output_maximum=False)) == 16_384
    assert output_limit_to_send(8_192, bound_facts()) == 8_192
    assert output_limit_to_send(None, FLAT) is None


def pictures(**values: object) -> RequestShape:
    return RequestShape(kind=IMAGES, **{"text_bytes": 0, **values})


def test_pictures_cost_their_maximum_for_the_size_and_quality_asked():
    facts = bound_facts(
        max_tokens_per_output_image=6_000,
        picture_maxima=(
            PictureMaximum("small", "low", 100),
            PictureMaximum("small", "high", 4_000),
            PictureMaximum("large", "low", 200),
        ),
    )

    def tokens(size, quality, n=1):
        shape = pictures(n=n, picture_size=size, picture_quality=quality)
        return output_bound_tokens(facts, shape, output_limit=None)

    assert tokens("small", "low", n=3) == 300
    assert tokens("small", None) == 4_000
    assert tokens(None, "low") == 200
    assert tokens(None, None) == tokens("huge", "low") == 6_000
    assert output_bound_tokens(BoundFacts(), pictures(), output_limit=None) == 6_240


def test_previews_of_a_picture_are_held_too():
    shape = pictures(n=2, partial_pictures=3)
    expected = 2 * (6_240 + 3 * PARTIAL_IMAGE_TOKENS)
    assert output_bound_tokens(BoundFacts(), shape, output_limit=None) == expected


@pytest.mark.parametrize(
    ("per_million", "per_picture", "expected_nanos"),
    [
        ({}, "0.04", 2 * 40_000_000),
        ({"input": "0", "image_output": "10"}, None, 2 * 62_400_000),
        ({"input": "0", "image_output": "10"}, "0.01", 2 * 62_400_000),
        ({"input": "0", "image_output": "1"}, "0.04", 2 * 40_000_000),
    ],
)
def test_pictures_are_held_by_token_or_by_the_piece_whichever_is_dearer(
    per_million, per_picture, expected_nanos
):
    per_one = {"image": per_picture} if per_picture else {}
    sheet = PriceSheet(Prices.from_usd(per_million=per_million, per_one=per_one))
    assert hold_nanos(sheet, facts=BoundFacts(), shape=pictures(n=2)) == expected_nanos


def test_an_unpriced_kind_is_never_held():
    with pytest.raises(UnpricedUnit):
        choose_hold(prices(input="1"), facts=FLAT, shape=chat(), available_nanos=10**12)


def facts_of(model):
    return bound_facts(
        max_input_tokens=model.max_input_tokens,
        max_output_tokens=model.max_output_tokens,
        max_tokens_per_input_image=model.max_tokens_per_input_image,
        max_tokens_per_output_image=model.max_tokens_per_output_image,
        is_reasoning=Ability.REASONING in model.abilities,
    )


def offer(model, members):
    shape = measure_request(members, kind=model.kind, body_bytes=len(repr(members)))
    return choose_hold(model.sheet, facts=facts_of(model), shape=shape, available_nanos=TRIAL_NANOS)


def lasting_models(kind):
    horizon = TODAY + timedelta(days=60)
    return [
        model
        for model in starting_models()
        if model.kind is kind and (model.retires_on is None or model.retires_on > horizon)
    ]


def test_the_trial_admits_the_plainest_picture_on_every_lasting_model_that_states_its_maximum():
    """A model that states none is held at 6,240 tokens, at $60 a million $0.37 a picture: its
    maximum must be entered before a trial key can use it."""
    request = {"model": "m", "prompt": "A lighthouse at dawn", "n": 1, "size": "1024x1024"}
    offers = {model.name: offer(model, request) for model in lasting_models(IMAGES)}
    admitted = {name for name, choice in offers.items() if isinstance(choice, Bound)}
    stated = {model.name for model in lasting_models(IMAGES) if model.max_tokens_per_output_image}
    assert admitted == stated == {"gpt-image-2", "gemini-2.5-flash-image"}


def test_the_trial_admits_a_short_chat_without_limit_on_nearly_every_lasting_model():
    request = {"model": "m", "messages": [{"role": "user", "content": "Write an introduction"}]}
    models = lasting_models(CHAT)
    refused = {model.name for model in models if isinstance(offer(model, request), BeyondMeans)}
    assert refused <= {
        model.name
        for model in models
        if Ability.REASONING in model.abilities
        and model.sheet.prices_for(0).price_of(Unit.OUTPUT) >= 45 * 10**9
    }
