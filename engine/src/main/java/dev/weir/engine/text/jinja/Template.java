package dev.weir.engine.text.jinja;

import java.time.Clock;
import java.util.List;
import java.util.Map;

/**
 * A parsed chat template. It is immutable: threads share one and render it at the same time.
 *
 * <p>The language is what Hugging Face transformers gives a chat template, see the package. A
 * template is a stranger's program; it can read the variables it is given and nothing else, and it
 * ends within the {@link RenderLimits}.
 */
public final class Template {

  /** The longest template known has a quarter of this many characters. */
  private static final int MAX_SOURCE_CHARS = 1 << 20;

  private final Source source;
  private final List<Node.Statement> body;

  private Template(Source source, List<Node.Statement> body) {
    this.source = source;
    this.body = body;
  }

  /**
   * Parses a template.
   *
   * @throws TemplateSyntaxException with line and column, where the source is not a template
   */
  public static Template parse(String source) throws TemplateSyntaxException {
    if (source.length() > MAX_SOURCE_CHARS) {
      throw new TemplateSyntaxException(
          "the template is longer than " + MAX_SOURCE_CHARS + " characters", 1, 1);
    }
    Source uniform = new Source(source);
    try {
      return new Template(uniform, Parser.parse(uniform));
    } catch (StackOverflowError e) {
      throw uniform.error("nests too deep for the stack that is left", 0);
    }
  }

  /**
   * Renders the template.
   *
   * @param variables what the template can read: null, Boolean, integers (Long, Integer, BigInteger
   *     …), Double, String, List, and Map in the order that it iterates in. Give a JSON integer as
   *     an integer and a JSON number with a fraction or an exponent as a Double: Python prints the
   *     two differently. Nothing here is changed.
   * @param clock what {@code strftime_now} reads, in the clock's zone
   * @throws TemplateRaisedException where the template calls {@code raise_exception}
   * @throws TemplateRuntimeException where the template fails as it would in Python
   * @throws TemplateLimitException where a limit is reached
   * @throws IllegalArgumentException where a variable holds any other type
   */
  public String render(Map<String, ?> variables, Clock clock, RenderLimits limits)
      throws TemplateException {
    Budget budget = new Budget(limits);
    Evaluator evaluator = new Evaluator(budget, clock);
    try {
      Scope scope = new Scope(null);
      for (Map.Entry<String, ?> variable : variables.entrySet()) {
        scope.set(variable.getKey(), Values.fromJava(variable.getValue(), budget));
      }
      return evaluator.capture(body, scope);
    } catch (StackOverflowError e) {
      // The limit on nesting ends a recursion long before, unless the caller's stack is nearly used
      // up; nothing outside this call has changed, so the thread can go on.
      throw new TemplateLimitException("nests too deep for the stack that is left");
    } catch (PythonError e) {
      int at = evaluator.at();
      throw new TemplateRuntimeException(
          String.valueOf(e.getMessage()), source.line(at), source.column(at));
    }
  }
}
