package dev.weir.engine.text.jinja;

/** The rendering reached one of its {@link RenderLimits}; the message names which. */
public final class TemplateLimitException extends TemplateException {

  TemplateLimitException(String message) {
    super("chat template: " + message);
  }
}
