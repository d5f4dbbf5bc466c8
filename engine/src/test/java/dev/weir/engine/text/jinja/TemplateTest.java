package dev.weir.engine.text.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigInteger;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a template is, what it prints, and how it ends; all of it checked against jinja2 3.1.6. */
class TemplateTest {

  private static final Clock CLOCK =
      Clock.fixed(Instant.parse("2025-01-31T12:00:00Z"), ZoneOffset.UTC);

  private static String render(String template, Map<String, ?> variables) {
    return Template.parse(template).render(variables, CLOCK, RenderLimits.DEFAULT);
  }

  private static String render(String template) {
    return render(template, Map.of());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '#',
      quoteCharacter = '`',
      value = {
        "7 // -2                 # -4",
        "-7 % 3                  # 2",
        "7 % -3                  # -2",
        "-7.5 % 2                # 0.5",
        "1 / 2                   # 0.5",
        "4 / 2                   # 2.0",
        "2 ** 3 ** 2             # 64",
        "2 ** -1                 # 0.5",
        "10 ** 20                # 100000000000000000000",
        "9223372036854775807 + 1 # 9223372036854775808",
        "0.1 + 0.2               # 0.30000000000000004",
        "1e16                    # 1e+16",
        "1e15                    # 1000000000000000.0",
        "0.0001                  # 0.0001",
        "0.00001                 # 1e-05",
        "5e-324                  # 5e-324",
        "2.5 | round             # 2.0",
        "true + true             # 2",
        "1 == 1.0 == true        # True",
        "-2 | abs                # 2",
        "9007199254740993 == 9007199254740992.0 # False",
      })
  void numbers_are_computed_and_printed_as_python_does(String expression, String printed) {
    assertThat(render("{{ " + expression + " }}")).isEqualTo(printed);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '#',
      quoteCharacter = '`',
      value = {
        "'abcdef'[::-2]          # fdb",
        "'abcdef'[-3:]           # def",
        "[1, 2, 3][::-1]         # [3, 2, 1]",
        "[1, 2, 3][-9:2]         # [1, 2]",
        "'a🙂b'[1]               # 🙂",
        "'a🙂b' | length         # 3",
        "'a🙂b'[::-1]            # b🙂a",
        "'a,b,,c'.split(',')     # ['a', 'b', '', 'c']",
        "' a  b '.split()        # ['a', 'b']",
        "'a b c'.rsplit(' ', 1)  # ['a b', 'c']",
        "'they re'.title()       # They Re",
        "'ß'.upper()             # SS",
        "'x'.center(4, '*')      # *x**",
        "'hello'.replace('', '-', 2) # -h-ello",
        "'{:>4}|{:<3}|{:.2f}'.format('a', 'b', 2.345) # `   a|b  |2.35`",
        "'%05d %s %r' % (42, none, 'a') # 00042 None 'a'",
        "'a' ~ 1 ~ none ~ 1.0    # a1None1.0",
      })
  void text_is_cut_and_filled_in_by_code_points(String expression, String printed) {
    assertThat(render("{{ " + expression + " }}")).isEqualTo(printed);
  }

  @Test
  void containers_print_as_python_represents_them() {
    assertThat(
            render(
                "{{ ['it\\'s', \"a'b\\\"c\", '\\n\\u200b', none, true, 1.0, (1,), {'a': []}] }}"))
        .isEqualTo("[\"it's\", 'a\\'b\"c', '\\n\\u200b', None, True, 1.0, (1,), {'a': []}]");
  }

  @Test
  void json_is_written_as_python_dumps_it() {
    Map<String, Object> value = new LinkedHashMap<>();
    value.put("b", List.of(1, 2.0, 1e16));
    value.put("a", "é\u007f\n\"");
    value.put("n", null);
    Map<String, Object> variables = Map.of("v", value);

    assertThat(render("{{ v | tojson }}", variables))
        .isEqualTo("{\"b\": [1, 2.0, 1e+16], \"a\": \"é\u007f\\n\\\"\", \"n\": null}");
    assertThat(render("{{ v | tojson(ensure_ascii=true, sort_keys=true) }}", variables))
        .isEqualTo("{\"a\": \"\\u00e9\\u007f\\n\\\"\", \"b\": [1, 2.0, 1e+16], \"n\": null}");
    assertThat(render("{{ [1, []] | tojson(indent=1) }}")).isEqualTo("[\n 1,\n []\n]");
  }

  @Test
  void integers_and_floats_of_the_caller_stay_apart() {
    Map<String, Object> variables =
        Map.of("i", 1, "l", 1L, "b", new BigInteger("123456789012345678901"), "d", 1.0, "f", 0.5f);

    assertThat(render("{{ i }} {{ l }} {{ b }} {{ d }} {{ f }}", variables))
        .isEqualTo("1 1 123456789012345678901 1.0 0.5");
  }

  @Test
  void a_value_of_another_type_is_the_callers_mistake() {
    assertThatThrownBy(() -> render("", Map.of("x", new Object())))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("java.lang.Object");
  }

  @Test
  void undefined_prints_as_nothing_and_fails_when_used() {
    assertThat(render("[{{ x }}{{ x.y if x }}{% for i in x %}{% endfor %}]")).isEqualTo("[]");
    assertThatExceptionOfType(TemplateRuntimeException.class)
        .isThrownBy(() -> render("line one\n {{ x.y }}"))
        .withMessageContaining("'x' is undefined")
        .satisfies(e -> assertThat(e.line()).isEqualTo(2))
        .satisfies(e -> assertThat(e.column()).isEqualTo(6));
    assertThatThrownBy(() -> render("{{ none.a.b }}"))
        .hasMessageContaining("'None' has no attribute 'a'");
  }

  @Test
  void a_loop_can_change_a_namespace_but_no_name_outside() {
    assertThat(
            render(
                "{% set x = 0 %}{% set ns = namespace(x=0) %}"
                    + "{% for i in range(3) %}{% set x = i %}{% set ns.x = ns.x + i %}{% endfor %}"
                    + "{{ x }} {{ ns.x }}"))
        .isEqualTo("0 3");
  }

  @Test
  void a_loop_knows_its_place_and_its_neighbours() {
    assertThat(
            render(
                "{% for i in 'abc' %}{{ loop.index }}{{ loop.previtem }}{{ loop.nextitem }}"
                    + "{{ '.' if loop.last }}{{ loop.revindex }}{{ loop.cycle('x', 'y') }} {% endfor %}"))
        .isEqualTo("1b3x 2ac2y 3b.1x ");
    assertThat(
            render(
                "{% for i in range(9) if i % 2 %}{% if i == 7 %}{% break %}{% endif %}"
                    + "{% if i == 3 %}{% continue %}{% endif %}{{ i }}/{{ loop.length }} {% endfor %}"))
        .isEqualTo("1/4 5/4 ");
  }

  @Test
  void a_recursive_loop_renders_itself_for_inner_items() {
    assertThat(
            render(
                "{% for x in [1, [2, [3]]] recursive %}"
                    + "{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}@{{ loop.depth }}{% endif %}"
                    + "{% endfor %}"))
        .isEqualTo("1@1(2@2(3@3))");
  }

  @Test
  void a_macro_takes_defaults_names_and_the_body_of_a_call_block() {
    assertThat(
            render(
                "{% macro m(a, b=a ~ '!') %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}"
                    + "{{ m(1) }} {{ m(1, 2, 3, c=4) }}"))
        .isEqualTo("11!(){} 12(3,){'c': 4}");
    assertThat(
            render(
                "{% macro m() %}<{{ caller(1) }}>{% endmacro %}"
                    + "{% call(x) m() %}{{ x + 1 }}{% endcall %}"))
        .isEqualTo("<2>");
    assertThatThrownBy(() -> render("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}"))
        .hasMessageContaining("macro 'm' takes not more than 1 argument(s)");
  }

  @Test
  void white_space_around_blocks_goes_as_trim_blocks_and_lstrip_blocks_say() {
    assertThat(render("a\n  {% if true %}\n b\n  {% endif %}\n c\n")).isEqualTo("a\n b\n c");
    assertThat(render("a\n  {%+ if true +%}\n b{% endif %}")).isEqualTo("a\n  \n b");
    assertThat(render("a \n {{- 1 -}} \n b")).isEqualTo("a1b");
    assertThat(render("a\r\n{# c #}\r\nb\r{% raw %}{{ x }}{% endraw %}"))
        .isEqualTo("a\nb\n{{ x }}");
  }

  @Test
  void a_generator_is_read_once() {
    assertThat(render("{% set g = [1, 2] | map('string') %}{{ g | list }}{{ g | list }}"))
        .isEqualTo("['1', '2'][]");
    assertThatThrownBy(() -> render("{{ [1] | map('string') | length }}"))
        .hasMessageContaining("object of type 'generator' has no len()");
  }

  @Test
  void joining_text_to_what_is_called_safe_escapes_it() {
    assertThat(render("{{ ('<a>' | safe) + '<b>' }}{{ ('<a>' | safe) ~ '<b>' }}"))
        .isEqualTo("<a>&lt;b&gt;<a><b>");
  }

  @Test
  void the_time_is_the_clocks() {
    assertThat(render("{{ strftime_now('%d %b %Y, %A %-d %j %I:%M %p %U') }}"))
        .isEqualTo("31 Jan 2025, Friday 31 031 12:00 PM 04");
  }

  @Test
  void what_the_template_raises_is_told_word_for_word() {
    assertThatExceptionOfType(TemplateRaisedException.class)
        .isThrownBy(() -> render("{{ raise_exception('Only ' ~ 2 ~ ' roles') }}"))
        .withMessage("Only 2 roles");
  }

  @Test
  void an_unknown_filter_fails_at_once_except_in_a_branch_not_taken() {
    assertThatThrownBy(() -> Template.parse("{{ 1 | nope }}"))
        .isInstanceOf(TemplateSyntaxException.class)
        .hasMessageContaining("No filter named 'nope' found.");
    assertThat(render("{% if false %}{{ 1 | nope }}{% endif %}")).isEmpty();
    assertThatThrownBy(() -> render("{% if true %}{{ 1 | nope }}{% endif %}"))
        .isInstanceOf(TemplateRuntimeException.class);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '@',
      quoteCharacter = '`',
      value = {
        "{% if %}                       @ 1 @ 7",
        "a{{ 1 + }}                     @ 1 @ 9",
        "{{ 'open }}                    @ 1 @ 4",
        "{% for x in y %}               @ 1 @ 16",
        "{{ (1 }}                       @ 1 @ 7",
        "{% include 'x' %}              @ 1 @ 4",
        "{% break %}                    @ 1 @ 4",
        "{# open                        @ 1 @ 1",
        "{{ a b }}                      @ 1 @ 6",
      })
  void a_syntax_error_names_its_line_and_column(String template, int line, int column) {
    assertThatExceptionOfType(TemplateSyntaxException.class)
        .isThrownBy(() -> Template.parse(template))
        .satisfies(e -> assertThat(e.line()).isEqualTo(line))
        .satisfies(e -> assertThat(e.column()).isEqualTo(column));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{{ [1].append(2) }}",
        "{{ {}.update({}) }}",
        "{{ [3].sort() }}",
        "{{ {'a': 1}.pop('a') }}",
        "{{ ''.__class__.x }}",
        "{{ range.__globals__.x }}",
        "{% set x = 'a' %}{% set x.y = 1 %}",
      })
  void nothing_changes_a_value_or_leaves_the_sandbox(String template) {
    assertThatThrownBy(() -> render(template)).isInstanceOf(TemplateRuntimeException.class);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{% set ns = namespace(l=()) %}{% for i in range(9999) %}{% set ns.l = (ns.l,) %}{% endfor %}{{ {}[ns.l] }}",
        "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l | tojson }}",
        "{% set ns = namespace(g=[1]) %}{% for i in range(9999) %}{% set ns.g = ns.g | map('abs') %}{% endfor %}{{ ns.g | list }}",
        "{% set ns = namespace(l=(1,)) %}{% for i in range(99) %}{% set ns.l = (ns.l, ns.l) %}{% endfor %}{{ {ns.l: 1} }}",
        "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(99) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}",
        "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}",
        "{% set a = 'a' * 4000000 %}{{ (a ~ 'b') in (a ~ a) }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ [0] * 999999999 }}",
        "{{ 'x' | indent(999999999) }}",
        "{{ 1 | round(2) | batch(999999999, 1) | list if false else [1] | batch(999999999, 1) | list }}",
      })
  void work_and_depth_that_no_prompt_needs_end_at_a_limit(String template) {
    assertThatThrownBy(() -> render(template)).isInstanceOf(TemplateLimitException.class);
  }

  @Test
  void each_limit_ends_the_rendering_by_name() {
    Template endless =
        Template.parse(
            "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}");
    RenderLimits limits = RenderLimits.DEFAULT;

    assertThatThrownBy(
            () ->
                endless.render(
                    Map.of(), CLOCK, new RenderLimits(1000, 1 << 20, 100, limits.time())))
        .isInstanceOf(TemplateLimitException.class)
        .hasMessageContaining("1000 steps");
    assertThatThrownBy(
            () ->
                endless.render(
                    Map.of(), CLOCK, new RenderLimits(1 << 30, 1000, 100, limits.time())))
        .isInstanceOf(TemplateLimitException.class)
        .hasMessageContaining("1000 characters");
    assertThatThrownBy(
            () ->
                endless.render(
                    Map.of(),
                    CLOCK,
                    new RenderLimits(Long.MAX_VALUE, 1 << 30, 100, Duration.ofMillis(1))))
        .isInstanceOf(TemplateLimitException.class)
        .hasMessageContaining("1 ms");
  }

  @Test
  void values_nested_deeper_than_the_limit_are_refused() {
    List<Object> nested = new ArrayList<>();
    nested.add(nested);

    assertThatThrownBy(() -> render("", Map.of("x", nested)))
        .isInstanceOf(TemplateLimitException.class);
  }

  @Test
  void threads_share_a_template() throws Exception {
    Template template =
        Template.parse(
            "{% set ns = namespace(s='') %}{% for m in messages %}{% set ns.s = ns.s ~ m %}{% endfor %}{{ ns.s }}");
    try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
      List<Callable<Boolean>> renderings = new ArrayList<>();
      for (int i = 0; i < 200; i++) {
        String text = "m" + i;
        renderings.add(
            () ->
                template
                    .render(Map.of("messages", List.of(text, text)), CLOCK, RenderLimits.DEFAULT)
                    .equals(text + text));
      }
      for (Future<Boolean> rendering : threads.invokeAll(renderings)) {
        assertThat(rendering.get()).isTrue();
      }
    }
  }

  @Test
  void no_garbled_template_gives_anything_but_text_or_a_template_error() {
    String seedTemplate =
        "{% for m in messages %}{{- '<' ~ m['role'] ~ '>' + (m.content | trim)[::-1] }}"
            + "{% if loop.last and not m.x is defined %}{{ {'a': [1, 2.5, none]} | tojson(indent=2) }}"
            + "{% endif %}{% endfor %}{% macro f(a, b=1) %}{{ a }}{% endmacro %}{{ f(*[1]) }}";
    String parts = "{}%#-+'\"()[]|.,:=~*/<>! \n019abcelimnoprstx_\\";
    Map<String, Object> variables =
        Map.of("messages", List.of(Map.of("role", "user", "content", " Hi 🙂 ")));
    Random random = new Random(20250131);
    int rendered = 0;
    for (int round = 0; round < 20_000; round++) {
      StringBuilder garbled = new StringBuilder(seedTemplate);
      for (int change = 1 + random.nextInt(4); change > 0; change--) {
        int at = random.nextInt(garbled.length());
        switch (random.nextInt(3)) {
          case 0 -> garbled.deleteCharAt(at);
          case 1 -> garbled.insert(at, parts.charAt(random.nextInt(parts.length())));
          default -> garbled.setCharAt(at, parts.charAt(random.nextInt(parts.length())));
        }
      }
      try {
        Template.parse(garbled.toString())
            .render(
                variables, CLOCK, new RenderLimits(100_000, 100_000, 200, Duration.ofSeconds(5)));
        rendered++;
      } catch (TemplateException e) {
        assertThat(e.getMessage()).isNotBlank();
      }
    }
    assertThat(rendered).isPositive();
  }
}
