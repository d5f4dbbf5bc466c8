package dev.weir.engine.text.jinja;

/**
 * The template itself refused the conversation by {@code raise_exception}; the message is the
 * template's own, word for word.
 */
public final class TemplateRaisedException extends TemplateException {

  TemplateRaisedException(String message) {
    super(message);
  }
}
